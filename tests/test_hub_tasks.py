"""`hub:ORG/NAME`: any retrieval set of the Hub in the form of mteb, by name or by task file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from panglot.data.catalogue import load_tasks
from panglot.data.hub_task import HubName, languages_of
from panglot.data.load import read_pool
from panglot.data.origins.hub_tables import _checked
from panglot.data.task import Size
from panglot.data.task_files.read import read_task_file
from panglot.errors import BadData, MissingData, PanglotError, UnknownName
from panglot.files import DATA_VARIABLE, data_cache
from tests.helpers.command import panglot
from tests.helpers.hub_server import HubServer, Repository, Rows, use_hub
from tests.helpers.images import numbered

Tables = dict[str, dict[str, Rows]]
Item = Callable[[int], dict[str, Any]]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    server = HubServer()
    with server.running() as address:
        use_hub(address, tmp_path / "hf", monkeypatch)
        yield server


def _text(language: str) -> Item:
    return lambda number: {"_id": f"d{number}", "title": "t" if number else "", "text": f"{language} passage {number}"}


def _page(number: int) -> dict[str, Any]:
    return {"id": f"d{number}", "image": {"bytes": numbered(number), "path": None}, "markdown": "# page"}


def _subset(language: str, corpus: Item, prefix: str = "", split: str = "test") -> Tables:
    """Three questions about four candidates; the first two have one answer, the last has two, of different grades."""
    pairs = [(0, 0, 1), (1, 1, 1), (2, 2, 2), (2, 3, 1), (0, 3, 0)]
    tables: dict[str, Rows] = {
        "corpus": [corpus(number) for number in range(4)],
        "queries": [{"_id": f"q{number}", "text": f"{language} question {number}"} for number in range(4)],
        "qrels": [{"query-id": f"q{q}", "corpus-id": f"d{d}", "score": grade} for q, d, grade in pairs],
    }
    return {f"{prefix}{part}": {split: rows} for part, rows in tables.items()}


def test_set_without_subsets_is_one_task(hub: HubServer) -> None:
    commit = hub.add_tables("org/Small.Set", _subset("", _text("")))
    (task,) = load_tasks("hub:org/Small.Set")
    assert task.name == f"hub-org-small-set-{commit[:8]}"
    assert task.sizes == {"und": Size(3, 4)}
    assert task.origin == f"hub:org/Small.Set@{commit}"
    assert "no language is stated" in task.remarks[0]
    pool = read_pool(task)
    assert pool.candidates.texts[:2] == (" passage 0", "t\n passage 1")
    assert sorted(pool.gain.tolist()) == [1, 1, 1, 2]
    (stated,) = load_tasks("hub:org/Small.Set?language=sw")
    assert stated.sizes == {"sw": Size(3, 4)}
    assert not stated.remarks


def test_each_subset_is_a_task_and_only_the_chosen_one_is_fetched(hub: HubServer) -> None:
    hub.add_tables("org/set", {**_subset("de", _text("de"), "de-"), **_subset("fr", _text("fr"), "french-")})
    (task,) = load_tasks("hub:org/set?config=french")
    assert list(task.sizes) == ["fr"]
    assert {file.split("/")[2] for file in hub.sent() if file.endswith(".parquet")} == {
        "french-corpus",
        "french-queries",
        "french-qrels",
    }
    assert [list(task.sizes) for task in load_tasks("hub:org/set")] == [["de"], ["fr"]]


def test_parallel_subsets_are_one_pool(hub: HubServer) -> None:
    commit = hub.add_tables("org/set", {**_subset("de", _text("de"), "de-"), **_subset("fr", _text("fr"), "fr-")})
    (task,) = load_tasks("hub:org/set?parallel=true")
    pool = read_pool(task)
    assert pool.languages == ("de", "fr")
    assert set(pool.groups) == {"q0", "q1", "q2"}
    assert len(pool.query) == 2 * 2 * 4
    assert task.origin == f"hub:org/set@{commit}?config=de&config=fr&parallel=true"
    assert load_tasks(task.origin)[0].fingerprint == task.fingerprint


def test_equal_ids_with_other_judgements_are_not_parallel(hub: HubServer) -> None:
    other = _subset("fr", _text("fr"), "fr-")
    other["fr-qrels"] = {"test": [{"query-id": f"q{n}", "corpus-id": f"d{3 - n}", "score": 1} for n in range(3)]}
    hub.add_tables("org/set", {**_subset("de", _text("de"), "de-"), **other})
    with pytest.raises(BadData, match=r"not parallel: \d+ of \d+ judgements are missing .*'d\d' for 'q\d' in"):
        load_tasks("hub:org/set?parallel=true")


def test_pages_that_all_languages_share_are_fetched_once(hub: HubServer) -> None:
    hub.add_tables("org/set", {**_subset("fr", _page, "french-"), **_subset("de", _page, "german-")})
    (task,) = load_tasks("hub:org/set?shared=true")
    assert task.sizes == {"de": Size(3, 0), "fr": Size(3, 0), "zxx": Size(0, 4)}
    pool = read_pool(task)
    assert [pool.candidates.images[place].read() for place in range(4)] == [numbered(number) for number in range(4)]
    corpora = [file for file in hub.sent() if "corpus" in file and file.endswith(".parquet")]
    assert corpora == ["org/set/french-corpus/test-00000-of-00001.parquet"]


def test_set_in_json_lines_is_read(hub: HubServer) -> None:
    tables = _subset("de", _text("de"))
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {part}\n  data_files:\n  - split: test\n    path: {part}.jsonl\n" for part in tables
    )
    files = {f"{part}.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows["test"]) for part, rows in tables.items()}
    files["README.md"] = f"{card}---\n"
    hub.repositories["datasets", "org/set"] = Repository({name: text.encode() for name, text in files.items()})
    (task,) = load_tasks("hub:org/set?language=de")
    assert task.sizes == {"de": Size(3, 4)}


def test_mixed_corpus_has_images_and_texts(hub: HubServer) -> None:
    def either(number: int) -> dict[str, Any]:
        return {
            "_id": f"d{number}",
            "text": f"passage {number}",
            "image": _page(number)["image"] if number % 2 else None,
        }

    hub.add_tables("org/set", _subset("de", either))
    (task,) = load_tasks("hub:org/set?language=de")
    assert task.sizes == {"de": Size(3, 2), "zxx": Size(0, 2)}


def test_pair_of_languages_has_candidates_in_the_first(hub: HubServer) -> None:
    hub.add_tables("org/set", _subset("x", _text("x"), "ara-deu-"))
    (task,) = load_tasks("hub:org/set")
    assert task.sizes == {"ara": Size(0, 4), "deu": Size(3, 0)}
    assert task.remarks == ("org/set, subset 'ara-deu': taken as candidates in 'ara' and queries in 'deu'.",)


def test_subsets_of_one_language_keep_their_own_tables(hub: HubServer) -> None:
    """They were once kept in the folder of their language, where the second found the tables of the first."""
    tables = _subset("x", _text("x"), "ara-deu-") | _subset("y", _text("y"), "ara-eng-")
    hub.add_tables("org/set", tables)
    for options in ("", "?language=fr"):
        pools = [read_pool(task) for task in load_tasks(f"hub:org/set{options}")]
        assert [pool.candidates.texts[1] for pool in pools] == ["t\nx passage 1", "t\ny passage 1"]
    with pytest.raises(BadData, match="subsets of one language cannot be parallel"):
        load_tasks("hub:org/set?language=fr&parallel=true")


def test_a_named_split_must_exist(hub: HubServer) -> None:
    hub.add_tables("org/set", _subset("de", _text("de"), split="dev"))
    assert load_tasks("hub:org/set?language=de")[0].sizes == {"de": Size(3, 4)}
    for split in ("train", "test"):
        hub.asked.clear()
        with pytest.raises(BadData, match=rf"org/set \(qrels\) has no split '{split}', but dev"):
            load_tasks(f"hub:org/set?language=de&split={split}")
        assert not any("corpus" in file for file in hub.sent())


def test_texts_with_a_single_split_serve_all_judgements(hub: HubServer) -> None:
    """In most sets of mteb, the corpus has a split `corpus`, and only the judgements have several."""
    tables = _subset("de", _text("de"), split="corpus")
    (judged,) = tables["qrels"].values()
    hub.add_tables("org/set", tables | {"qrels": {"dev": judged[:1], "test": judged[1:]}})
    (task,) = load_tasks("hub:org/set?language=de&split=dev")
    assert task.sizes == {"de": Size(1, 4)}
    assert task.origin.endswith("?split=dev&language=de")
    assert load_tasks("hub:org/set?language=de")[0].sizes == {"de": Size(2, 4)}


@pytest.mark.parametrize("split", ["configs.json", "test.unfinished"])
def test_name_of_a_split_is_that_of_no_other_file(hub: HubServer, split: str) -> None:
    hub.add_tables("org/set", _subset("de", _text("de"), split=split))
    names = (f"hub:org/set?language=de&split={split}", "hub:org/set?language=de")
    assert [load_tasks(name)[0].sizes for name in names] == [{"de": Size(3, 4)}] * 2
    hub.asked.clear()
    assert [load_tasks(name)[0].sizes for name in names] == [{"de": Size(3, 4)}] * 2
    assert not hub.sent()


def test_nothing_is_fetched_twice_and_a_fetched_set_needs_no_hub(hub: HubServer) -> None:
    commit = hub.add_tables("org/set", _subset("de", _text("de"), "de-"))
    (task,) = load_tasks("hub:org/set")
    hub.asked.clear()
    (again,) = load_tasks(f"hub:org/set@{commit}")
    assert read_pool(again).fingerprint == task.fingerprint
    assert hub.asked == []


def test_fetched_set_is_not_said_to_be_the_published_one(hub: HubServer) -> None:
    hub.add_tables("org/set", _subset("de", _text("de"), "de-"))
    (task,) = load_tasks("hub:org/set")
    assert panglot("fetch", "hub:org/set").stdout.endswith(f" candidates; fingerprint {task.fingerprint}\n")
    assert json.loads(panglot("fetch", "hub:org/set", "--json").stdout)[0]["as_published"] is None


def test_without_the_hub_the_cached_revision_is_named(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.add_tables("org/set", _subset("de", _text("de"), "de-"))
    load_tasks("hub:org/set")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingData, match=f"cannot be reached: .* in the cache: hub:org/set@{commit}"):
        load_tasks("hub:org/set")


@pytest.mark.parametrize("name", ["..", ".", "a" * 300, "CON", "de.", "a b"])
def test_name_of_a_subset_is_no_path(hub: HubServer, name: str) -> None:
    commit = hub.add_tables("org/set", {f"{name}-{part}": rows for part, rows in _subset("de", _text("de")).items()})
    (task,) = load_tasks("hub:org/set?language=de")
    (corpus,) = data_cache().rglob("corpus.parquet")
    assert len(corpus.relative_to(data_cache("org--set", commit, "any-split")).parent.name) == 16
    assert load_tasks(task.origin)[0].fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hub:org", "not the name of a set on the Hub"),
        ("hub:", "not the name of a set on the Hub"),
        ("hub:../set", "not the name of a set on the Hub"),
        ("hub:org/set/more", "not the name of a set on the Hub"),
        ("hub:org/set@", "not the name of a set on the Hub"),
        ("hub:org/set?config=", "not the name of a set on the Hub"),
        ("hub:org/set?colour=red", "Unknown option 'colour'"),
        ("hub:org/set?split=a&split=b", "gives split twice"),
        ("hub:org/set?parallel=yes", "must be true or false"),
        ("hub:org/set?split=../test", r"'\.\./test' is not the name of a split"),
        (f"hub:org/set?split={'a' * 51}", "' is not the name of a split"),
        ("hub:org/set?language=../de", r"'\.\./de' is not the code of a language"),
        ("hub:org/set?language=german", "'german' is not the code of a language"),
        ("hub:org/set?language=zxx", "'zxx' is not the code of a language"),
    ],
)
def test_malformed_name_is_rejected(name: str, message: str) -> None:
    with pytest.raises(PanglotError, match=message):
        HubName.of(name)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"corpus": {"a": [], "b": []}}, BadData, r"\(corpus\) has no split 'test', but a, b"),
        (
            {"qrels": {"test": [{"query-id": "q0", "corpus-id": "d9", "score": 1}]}},
            BadData,
            "candidate 'd9' is unknown",
        ),
        ({"qrels": {"test": [{"query-id": "q9", "corpus-id": "d0", "score": 1}]}}, BadData, "query 'q9' is unknown"),
        ({"qrels": {"test": [{"query-id": "q0", "corpus-id": "d0", "score": 0}]}}, BadData, "no query has a relevant"),
        (
            {"qrels": {"test": [{"query": "q0", "score": 0}]}},
            BadData,
            "column 'query-id' is missing. Found: query, score",
        ),
        ({"queries": {"test": [{"_id": "q\nr", "text": "a"}]}}, BadData, "the id .* not allowed in a name"),
        ({"queries": {"test": [{"_id": "q0", "text": "a"}] * 2}}, BadData, "row 1 .*: duplicate id"),
        ({"queries": {"test": [{"_id": "q0", "text": 7}]}}, BadData, "must be strings"),
        ({"queries": {"test": [{"_id": None, "text": "a"}]}}, BadData, r"row 0: ids must be .*, not None"),
        (
            {"qrels": {"test": [{"query-id": "q0", "corpus-id": "d0", "score": float("nan")}]}},
            BadData,
            "row 0: the score must be a finite number, not nan",
        ),
        ({"queries": {"test": [{"_id": "q0", "text": "a\0b"}]}}, BadData, "NUL"),
        (
            {"qrels": {"test": [{"query-id": "q0", "corpus-id": "d0", "score": 1e30}]}},
            BadData,
            r"row 0: the grade '1e\+30' is not between",
        ),
    ],
)
def test_malformed_table_is_rejected(hub: HubServer, change: Tables, error: type[PanglotError], message: str) -> None:
    tables = _subset("de", _text("de"), split="a") | change
    hub.add_tables("org/set", tables)
    with pytest.raises(error, match=message):
        load_tasks("hub:org/set")


def test_set_of_another_form_is_rejected(hub: HubServer) -> None:
    hub.add_tables("org/other", {"default": {"test": [{"a": "1"}]}})
    with pytest.raises(BadData, match="no configuration 'corpus' or 'NAME-corpus', but default"):
        load_tasks("hub:org/other")
    hub.add_tables("org/set", _subset("de", _text("de"), "de-"))
    with pytest.raises(UnknownName, match=r"Did you mean de\?"):
        load_tasks("hub:org/set?config=dee")


def test_limits_on_size_are_kept(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_tables("org/set", _subset("de", _text("de")))
    for name, limit, message in (
        ("MOST_ROWS", 3, "more than 3 rows"),
        ("MOST_BYTES", 5, "of texts and images"),
        ("LONGEST_TEXT", 5, "longer than 5 characters"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"panglot.data.origins.hub_tables.{name}", limit)
            with pytest.raises(BadData, match=message):
                load_tasks("hub:org/set")


def test_result_records_set_and_revision(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add_tables("org/set", _subset("de", _text("de"), "de-"))
    done = panglot("run", "use-multilingual", "--tasks", "hub:org/set", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out").rglob(f"hub-org-set-de-{commit[:8]}.json")
    assert json.loads(file.read_text("utf-8"))["task"]["origin"] == f"hub:org/set@{commit}?config=de"
    assert panglot("verify", str(file)).returncode == 0


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("ar", ("ar", "ar")),
        ("zh_cn", ("zh_cn", "zh_cn")),
        ("french", ("fr", "fr")),
        ("ara-deu", ("ara", "deu")),
        ("eng-eng", ("eng", "eng")),
        ("acm_Arab-eng_Latn", ("acm_Arab", "eng_Latn")),
        ("default", ("und", "und")),
        ("", ("und", "und")),
    ],
)
def test_languages_follow_from_the_name_of_a_subset(name: str, languages: tuple[str, str]) -> None:
    assert languages_of(name) == languages


TASK = """
name = "twin"
title = "Twin"
headline = "ndcg@10"
licence = "none"
reader = "retrieval"
{more}
[source]
kind = "hub-retrieval"
hub = "org/set"
revision = "{commit}"
{source}
[languages]
de = {{ queries = 3, candidates = 4 }}
fr = {{ queries = 3, candidates = 4 }}
"""


def _file(folder: Path, commit: str, more: str = "", source: str = "") -> Path:
    path = folder / "twin.toml"
    path.write_text(TASK.format(commit=commit, more=more, source=source), encoding="utf-8")
    return path


def test_task_file_of_parallel_languages_is_one_task(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add_tables("org/set", {**_subset("de", _text("de"), "de-"), **_subset("fr", _text("fr"), "french-")})
    path = _file(tmp_path, commit, "settings.parallel = true", 'subsets = { fr = "french" }')
    (task,) = read_task_file(path)["twin"]
    pool = read_pool(task)
    assert (len(pool.queries), len(pool.candidates)) == (task.queries, task.candidates) == (6, 8)
    hub.asked.clear()
    assert read_pool(task, ["de"]).languages == ("de",)
    assert hub.asked == []


def test_task_file_of_other_languages_is_a_task_for_each(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add_tables("org/set", {**_subset("de", _text("de"), "de-"), **_subset("fr", _text("fr"), "fr-")})
    german, french = read_task_file(_file(tmp_path, commit))["twin"]
    assert (german.name, french.name) == ("twin-de", "twin-fr")
    assert len(read_pool(german).queries) == 3
    assert not any("fr-" in file for file in hub.sent())


def test_images_can_be_in_a_configuration_of_their_own(hub: HubServer, tmp_path: Path) -> None:
    tables: Tables = {}
    for language in ("de", "fr"):
        subset = _subset(language, lambda number: {"_id": f"d{number}", "image_id": f"{number}.png"})
        tables |= {f"{part}-{language}": rows for part, rows in subset.items()}
        tables[f"images-{language}"] = {
            "default": [{"file_name": f"{number}.png", "image": _page(number)["image"]} for number in range(4)]
        }
    commit = hub.add_tables("org/set", tables)
    configs = 'configs = ["corpus-{subset}", "queries-{subset}", "qrels-{subset}"]\nimages = "images-{subset}"'
    task, _ = read_task_file(_file(tmp_path, commit, "images = true", configs))["twin"]
    pool = read_pool(task)
    assert task.sizes == {"de": Size(3, 0), "zxx": Size(0, 4)}
    assert [pool.candidates.images[place].read() for place in range(4)] == [numbered(number) for number in range(4)]


def test_table_without_rows_is_rejected() -> None:
    with pytest.raises(BadData, match=r"org/set \(qrels\) has no rows"):
        list(_checked(iter(()), tuple, "org/set (qrels)", lambda rows: None))
