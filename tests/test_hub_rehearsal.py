"""The Hub rehearsed: its real libraries and a server on loopback that answers as it does, where a fifth fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import Any

import pytest
import requests

from panglot import hub as hub_requests
from panglot.data.origins.fetch import fetch_file
from panglot.data.origins.hub_rows import HubData
from panglot.encode.load import load_model
from panglot.errors import BadEncoder, MissingData
from panglot.files import DATA_VARIABLE, data_cache
from tests.helpers import tiny
from tests.helpers.belebele import write_twin
from tests.helpers.command import panglot
from tests.helpers.hub_server import HubServer, use_hub
from tests.helpers.images import numbered
from tests.helpers.recipes import write_recipe
from tests.helpers.required import DATA_FOLDER
from tests.helpers.tasks import TASKS

RATE = 0.2
BELEBELE = ("mteb/belebele", "979a211276faa22f671e69d096634193567cfd05")
XM3600 = ("mteb/xm3600", "536cd45bbfe53de9b08c0483bb4a76a4bd3673fa")
MIRACL_HN = ("mteb/MIRACLRetrievalHardNegatives", "d7d94fa4b946cec4a27c84653aa0cf6b33f74a3c")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub at which a fifth of the requests fails."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr("panglot.hub.WAITS", (0.0,) * 20)
    monkeypatch.setattr("panglot.data.origins.hub_rows.WAITS", (0.0,) * 20)
    monkeypatch.chdir(tmp_path)
    server = HubServer()
    server.rate = RATE
    with server.running() as address:
        use_hub(address, tmp_path / "hf", monkeypatch)
        yield server


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    made = StaticEmbedding(tiny.tokenizer().backend_tokenizer, embedding_dim=16)
    return tiny.saved(tmp_path_factory.mktemp("model"), made)


def _belebele(hub: HubServer, folder: Path) -> None:
    folder.mkdir()
    twins = write_twin(folder, ["deu_Latn", "swh_Latn", "yor_Latn"])
    rows = {name: [json.loads(line) for line in path.read_text("utf-8").splitlines()] for name, path in twins.items()}
    hub.add_tables(BELEBELE[0], {name: {"test": own} for name, own in rows.items()}, commit=BELEBELE[1])


def _xm3600(hub: HubServer) -> None:
    def rows(language: str) -> list[dict[str, Any]]:
        return [
            {
                "image_id": f"im{n}",
                "image": {"bytes": numbered(n), "path": None},
                "captions": [f"{n} {language}"],
                "image_locale": "de",
            }
            for n in range(4)
        ]

    languages = [language for language in TASKS["xm3600-t2i"].languages if language != "zxx"]
    hub.add_tables(XM3600[0], {"default": {name: rows(name) for name in languages}}, commit=XM3600[1])


def _failed(hub: HubServer) -> int:
    return sum(asked.status == 0 or asked.status in (429, 500, 503) for asked in hub.asked)


def _data(hub: HubServer) -> set[str]:
    return {file for file in hub.sent() if file.endswith((".parquet", ".safetensors"))}


def test_a_model_and_a_set_of_the_hub_are_scored(hub: HubServer, model: Path, tmp_path: Path) -> None:
    commit = hub.add_folder("org/model", model)
    _belebele(hub, tmp_path / "published")
    command = ("run", "org/model", "--tasks", "belebele", "--languages", "deu_Latn,swh_Latn", "--out", "out")
    done = panglot(*command)
    assert done.returncode == 0, done.stderr
    assert _failed(hub)
    (result,) = Path("out").rglob("belebele*.json")
    record = json.loads(result.read_text("utf-8"))
    assert record["model"]["revision"] == commit
    assert record["task"]["languages"] == ["deu_Latn", "swh_Latn"]
    assert not any("yor_Latn" in file for file in hub.sent())
    hub.asked.clear()
    assert panglot(*command, "--no-cache").returncode == 0
    assert not _data(hub)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("pooled", "{}"), ("bare", "hf:{}?pooling=mean"), ("pair", "rerank:{}@bm25"), ("masked", "sparse:{}")],
)
def test_a_model_loads_although_requests_for_what_it_lacks_fail(
    hub: HubServer, kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers takes a failing request for a missing file for a model without a tokenizer.

    Of what is in the cache, only `adapter_config.json` is asked for: whether the model is an adapter.
    """
    folder = _tiny(kind, tmp_path / "model")
    commit = hub.add_folder("org/model", folder)
    asked: list[str] = []

    def fault(request: str) -> str:
        found = re.search(r"/resolve/[^/]+/(?!adapter_config)(\S+)", request)
        asked.extend(found.groups() if found else ())
        return "drop" if found and not (folder / found[1]).is_file() else ""

    monkeypatch.setattr(hub, "fault", fault)
    card = load_model(name.format("org/model")).card
    assert "config.json" in asked
    assert commit in card.revision + card.note
    assert card.parameters == load_model(name.format(folder)).card.parameters


def _tiny(kind: str, folder: Path) -> Path:
    """A model of a few kB: with pooling, without, one that reads pairs, or one that fills in words."""
    import transformers
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    if kind == "bare":
        return tiny.bare(folder)
    if kind == "pooled":
        return tiny.saved(folder, Transformer(str(tiny.bare(folder.with_name("bare")))), Pooling(16))
    made = {"pair": "BertForSequenceClassification", "masked": "BertForMaskedLM"}[kind]
    getattr(transformers, made)(transformers.BertConfig(**tiny.SHAPE, num_labels=1)).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


def test_a_set_of_images_is_fetched_once(hub: HubServer) -> None:
    _xm3600(hub)
    done = panglot("fetch", "xm3600-t2i")
    assert done.returncode == 0, done.stderr
    assert "144 queries, 4 candidates" in done.stdout
    assert _failed(hub)
    hub.asked.clear()
    assert panglot("fetch", "xm3600-t2i").returncode == 0
    assert hub.asked == []


def test_killed_fetch_of_images_goes_on_with_the_next_split(hub: HubServer) -> None:
    _xm3600(hub)
    task = TASKS["xm3600-t2i"]

    @contextmanager
    def killed(what: str, total: int) -> Iterator[Any]:
        done = [0]

        def advance(count: int) -> None:
            done[0] += count
            if done[0] == 30:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        fetch_file(task, "images", killed)
    assert not data_cache("xm3600").exists()
    before = _data(hub)
    hub.asked.clear()
    fetch_file(task, "images")
    assert len(before) == 30
    assert {Path(file).name[:2] for file in before & _data(hub)} <= {"ar"}  # for the columns, in the first file


def test_a_corpus_is_fetched_and_goes_on_after_being_killed(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setattr("panglot.data.readers.miracl.FILE_PASSAGES", 40)
    passages = [{"_id": f"{n}#0", "title": f"title {n}", "text": f"text {n}"} for n in range(100)]
    hub.add_tables(MIRACL_HN[0], {"yo-corpus": {"dev": passages}}, commit=MIRACL_HN[1])
    monkeypatch.setenv(DATA_VARIABLE, str(DATA_FOLDER))
    task = TASKS["miracl-hn"]
    steps: list[int] = []

    @contextmanager
    def killed(what: str, total: int) -> Iterator[Any]:
        def advance(count: int) -> None:
            steps.append(count)
            if len(steps) == 3:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        task.corpus(task, ["yo"], killed)  # type: ignore[attr-defined]
    done = panglot("fetch", "miracl-hn", "--languages", "yo")
    assert done.returncode == 0, done.stderr
    assert _failed(hub)
    assert sorted(path.name for path in data_cache("miracl-hn", "yo").glob("*.gz")) == [
        f"docs-0000{n}.jsonl.gz" for n in range(3)
    ]
    hub.asked.clear()
    assert panglot("fetch", "miracl-hn", "--languages", "yo").returncode == 0
    assert hub.asked == []


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # within huggingface_hub
def test_a_set_and_a_base_of_the_hub_are_trained_on_and_the_model_is_pushed(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    recipe = write_recipe(tmp_path)
    hub.add_tables("org/pairs", {"default": {"train": pq.read_table(tmp_path / "rows.parquet")}})
    hub.add_folder("org/base", tiny.bare(tmp_path / "base", max_position_embeddings=160))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    text = recipe.read_text("utf-8").replace(str(tmp_path / "rows.parquet"), "org/pairs")
    text = text.replace('kind = "static"\ndimension = 16\nvocabulary = 300', 'base = "org/base"')
    recipe.write_text(text.replace('evaluation = ["starter"]\n', ""), encoding="utf-8")
    done = panglot("train", str(recipe), "--out", "models")
    assert done.returncode == 0, done.stdout + done.stderr
    pushed = panglot("push", "models/small", "org/trained", "--private")
    assert pushed.returncode == 0, pushed.stderr
    assert hub.private
    files = hub.repositories["models", "org/trained"].files
    assert files["modules.json"] == Path("models/small/modules.json").read_bytes()


def test_gated_missing_and_moved_sets_are_told_apart(hub: HubServer) -> None:
    hub.rate = 0.0
    hub.add_tables("org/gated", {"default": {"test": [{"a": "1"}]}}, gated=True)
    hub.add_tables("org/set", {"default": {"test": [{"a": "1"}]}})
    for path, revision, message in (
        ("org/gated", "main", "terms must be accepted on https://huggingface.co/datasets/org/gated"),
        ("org/none", "main", "no data set of this name, or it is private"),
        ("org/set", "v2", "has no revision 'v2'"),
    ):
        with pytest.raises(MissingData, match=message):
            list(HubData(path, revision).rows(None, "test"))
    with pytest.raises(MissingData, match="cannot be read"):
        list(HubData("org/set", "main").rows(None, "validation"))
    with pytest.raises(MissingData, match="cannot be read"):
        list(HubData("org/set", "main").rows("other", "test"))


def test_a_hub_that_always_fails_is_given_up(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_tables("org/set", {"default": {"test": [{"a": "1"}]}})
    monkeypatch.setattr("panglot.hub.WAITS", (0.0,))
    hub.rate, hub.faults = 1.0, ("503",)
    with pytest.raises(MissingData, match="Try again later"):
        HubData("org/set", "main").configs()


def test_a_certificate_that_is_not_trusted_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def request() -> None:
        attempts.append(1)
        try:
            raise SSLCertVerificationError("self-signed certificate in certificate chain")
        except SSLCertVerificationError as error:
            raise requests.ConnectionError("certificate verify failed") from error

    monkeypatch.setattr("panglot.hub.time.sleep", lambda seconds: None)
    with pytest.raises(requests.ConnectionError):
        hub_requests.patiently(request)
    assert len(attempts) == 1


def test_a_folder_that_hides_a_set_is_reported(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "org" / "set").mkdir(parents=True)
    with pytest.raises(MissingData, match="working folder contains 'org/set'"):
        HubData("org/set", "main").configs()


def test_without_a_network_a_task_of_the_hub_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    use_hub("http://127.0.0.1:9", tmp_path / "hf", monkeypatch)
    attempts: list[object] = []
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: attempts.append(_))
    done = panglot("run", "use-multilingual", "--tasks", "belebele", "--languages", "de")
    assert done.returncode == 2
    assert (
        "mteb/belebele is on the Hugging Face Hub, which cannot be reached: 127.0.0.1: Connection refused"
        in done.stderr
    )
    assert not attempts


def test_a_name_that_is_never_resolved_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    blocked = Event()
    monkeypatch.setattr(hub_requests, "PATIENCE", 0.05)

    def never(*_: object) -> None:
        blocked.wait(60)
        raise OSError

    monkeypatch.setattr("socket.create_connection", never)
    with pytest.raises(MissingData, match="no answer in"):
        hub_requests.check_reachable("org/set")
    blocked.set()


def test_a_model_that_is_not_in_the_cache_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub("http://127.0.0.1:9", tmp_path / "hf", monkeypatch)
    waited: list[float] = []
    monkeypatch.setattr("panglot.hub.time.sleep", waited.append)
    with pytest.raises(BadEncoder, match="is not in the Hub cache"):
        load_model("org/model")
    assert waited == []
