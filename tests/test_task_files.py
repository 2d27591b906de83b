"""Task files: those of the suite are valid, a person's own run by path, and mistakes are told with file and line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from panglot.cli.main import app
from panglot.data import catalogue
from panglot.data.catalogue import FOLDER, ORDER, all_tasks, groups, load_tasks, suite_tasks, suites
from panglot.data.check import check_task_file
from panglot.data.image import IMAGES
from panglot.data.load import read_pool
from panglot.data.pool import Pool
from panglot.data.readers.folder import read_folder
from panglot.data.readers.registry import FORMATS, Format
from panglot.data.task_files.read import read_task_file
from panglot.encode.load import load_model
from panglot.errors import BadData, MissingData, PanglotError, UnknownName
from panglot.evaluate.run import run
from panglot.toml import LARGEST, read_toml
from tests.helpers.layout import ROOT

MINE = """\
name = "mine"
title = "Which animal is it, in two languages"
headline = "map"
licence = "CC0 1.0"
reader = "beir"

[source]
kind = "folder"
path = "animals"

[references.me2026animals]
title = "Animals"
authors = "Me et al."
year = 2026

[languages]
de = { queries = 2, candidates = 2 }
en = { queries = 2, candidates = 2 }
"""
ODD = ("=", '"', "[[", "]", "{}", "nan", "1979-05-27", "{language}", "../", "\n[languages]\n", "9" * 30, "\u202e", "\0")
"""What breaks parsers."""
PLAIN = st.characters(codec="utf-8", exclude_characters="\x7f")
"""What a JSON text holds as a TOML text does."""
KEYS = st.text(PLAIN, min_size=1)
FINGERPRINT = "82b64f2a4764a7b0693dd4bc51751e77af5f8054c691f3994521f6e5d59405b5"
CORPUS = (
    ("d1", "The blue whale is the largest animal.", "en"),
    ("d2", "The cheetah runs faster than any other.", "en"),
    ("d3", "Der Blauwal ist das größte Tier.", "de"),
    ("d4", "Der Gepard läuft schneller als alle anderen.", "de"),
)
QUERIES = (
    ("q1", "Which animal is the largest?", "en", "size"),
    ("q2", "Which animal is the fastest?", "en", "speed"),
    ("q3", "Welches Tier ist das größte?", "de", "size"),
    ("q4", "Welches Tier ist das schnellste?", "de", "speed"),
)
RELEVANT = {"size": ("d1", "d3"), "speed": ("d2", "d4")}


def write_lines(path: Path, rows: list[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A task file, and the folder of data that it describes."""
    folder = tmp_path / "animals"
    folder.mkdir()
    write_lines(folder / "corpus.jsonl", [dict(zip(("_id", "text", "language"), row, strict=True)) for row in CORPUS])
    queries = [dict(zip(("_id", "text", "language", "group"), row, strict=True)) for row in QUERIES]
    write_lines(folder / "queries.jsonl", queries)
    judged = (f"{id_}\t{answer}\t1" for id_, _, _, group in QUERIES for answer in RELEVANT[group])
    (folder / "qrels.tsv").write_text("\n".join(judged), encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8")
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def panglot(*arguments: str) -> tuple[int, str]:
    """The exit code, and what is said; a mistake of the person is said by `main`."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})
    if isinstance(done.exception, PanglotError):
        return 2, str(done.exception)
    return done.exit_code, done.output


class TestSuite:
    def test_order_names_every_set_once(self) -> None:
        order = read_toml(FOLDER / ORDER).content["order"]
        read = [read_task_file(path) for path in FOLDER.glob("*.toml") if path.name != ORDER]
        assert sorted(order) == sorted(name for sets in read for name in sets)
        assert [task.name for task in all_tasks()][:3] == ["xquad-r", "mlqa-r", "belebele"]

    def test_sizes_are_those_of_the_published_sets(self) -> None:
        sizes = {name: (task.queries, task.candidates, task.relevants) for name, task in suite_tasks().items()}
        assert sizes["xquad-r"] == (13_090, 13_014, 143_990)
        assert sizes["mlqa-r"] == (4_199, 20_534, 15_747)
        assert sizes["belebele"] == (109_800, 59_536, 13_395_600)
        assert sizes["emoji-mixed"] == (8_520, 8_946, 170_400)
        assert sizes["emoji-keywords-i2t"] == (426, 16_997, 16_997)
        assert sizes["storybooks-mixed"] == (1_634, 1_741, 28_942)
        assert sizes["xm3600-mixed"] == (3_600, 264_975, None)
        assert sizes["xm3600-first-t2i"] == (129_600, 3_600, None)
        assert sizes["wit-i2t"] == (8_553, 9_584, None)
        assert sizes["miracl"] == (13_495, 106_332_152, 31_119)
        assert sizes["miracl-hn"] == (11_076, 2_449_382, None)

    def test_fingerprints_are_those_of_the_committed_results(self) -> None:
        known, compared = suite_tasks(), set()
        for path in (ROOT / "submissions").glob("*/*.json"):
            record = json.loads(path.read_text(encoding="utf-8")).get("task")
            if isinstance(record, dict) and record["name"] in known and "fingerprint" in record:
                task = known[record["name"]]
                if list(record["languages"]) == list(task.languages):
                    assert record["fingerprint"] == task.fingerprint, path
                    compared.add(task.name)
        assert {"xquad-r", "mlqa-r", "emoji-t2i", "storybooks-mixed"} <= compared

    @pytest.mark.usefixtures("real_data")
    def test_a_file_agrees_with_its_data(self) -> None:
        for name in ("starter", "mlqa-r"):
            (checked,) = check_task_file(FOLDER / f"{name}.toml")
            assert (checked.state, checked.findings) == ("as stated", ())

    def test_suites_say_what_they_are(self) -> None:
        assert "a name of ours, not a public benchmark" in suites()["murec"].title
        assert [task.name for task in suites()["m2m"].tasks] == ["xquad-r", "mlqa-r"]
        unread = {task.name for task in all_tasks() if task.note.startswith("Not read here yet")}
        left_out = {task.name for task in all_tasks()} - {task.name for task in suites()["murec"].tasks}
        assert left_out - unread == {"miracl", "starter", "belebele-lite", "xquad-r-lite"}
        assert unread <= left_out
        code, said = panglot("tasks")
        assert code == 0
        assert "a name of ours, not a public benchmark" in said

    def test_a_set_of_images_gives_its_directions(self) -> None:
        assert [task.name for task in groups()["emoji"]] == ["emoji-t2i", "emoji-i2t", "emoji-mixed"]
        assert [task.name for task in groups()["emoji-keywords"]] == ["emoji-keywords-t2i", "emoji-keywords-i2t"]
        assert suite_tasks()["wit-t2i"].sizes[IMAGES] == (0, 8553)


class TestOwnFile:
    def test_runs_by_path(self, mine: Path) -> None:
        out = mine.parent / "out"
        code, said = panglot("run", "random", "--tasks", str(mine), "--out", str(out), "--json")
        assert code == 0, said
        (path,) = out.glob("*/mine.json")
        task = json.loads(path.read_text(encoding="utf-8"))["task"]
        assert (task["name"], task["fingerprint"], task["languages"]) == ("mine", FINGERPRINT, ["de", "en"])

    @pytest.mark.parametrize("verb", [("fetch",), ("plan", "bm25", "--tasks"), ("tasks",), ("tasks", "--check")])
    def test_is_named_by_path_in_other_verbs(self, mine: Path, verb: tuple[str, ...]) -> None:
        code, said = panglot(*verb, str(mine))
        assert code == 0, said
        assert "mine" in said

    def test_has_the_content_of_the_folder_it_describes(self, mine: Path) -> None:
        (described,), (folder,) = load_tasks(str(mine)), load_tasks(str(mine.parent / "animals"))
        assert described.sizes == folder.sizes
        assert read_pool(described).fingerprint == folder.fingerprint == FINGERPRINT
        assert described.citation == "Me et al. (2026), Animals"

    def test_some_languages(self, mine: Path) -> None:
        (task,) = load_tasks(str(mine))
        assert read_pool(task, ["de"]).languages == ("de",)
        code, said = panglot("run", "random", "--tasks", str(mine), "--languages", "xx")
        assert (code, "mine has no language 'xx'. Known: de, en." in said) == (2, True)

    def test_one_task_of_several(self, tmp_path: Path) -> None:
        path = tmp_path / "own.toml"
        text = (FOLDER / "emoji.toml").read_text(encoding="utf-8")
        path.write_text(text.replace('name = "emoji"', 'name = "own"'), encoding="utf-8")
        assert [task.name for task in load_tasks(f"{path}:own-keywords")] == ["own-keywords-t2i", "own-keywords-i2t"]
        assert [task.name for task in load_tasks(f"{path}:own-mixed")] == ["own-mixed"]
        assert len(load_tasks(str(path))) == 5
        with pytest.raises(UnknownName, match="Did you mean own-mixed"):
            load_tasks(f"{path}:own-mixd")

    @pytest.mark.parametrize("name", ["xquad-r", "emoji", "murec", "miracl-hn"])
    def test_a_name_of_the_suite_is_refused_for_other_content(self, mine: Path, name: str) -> None:
        change(mine, '"mine"', f'"{name}"')
        with pytest.raises(PanglotError, match=f"'{name}' is the name of a built-in task or set"):
            load_tasks(str(mine))

    def test_a_copy_of_a_file_of_the_suite_is_the_same_task(self, tmp_path: Path) -> None:
        shutil.copytree(FOLDER / "starter", tmp_path / "starter")
        shutil.copy(FOLDER / "starter.toml", tmp_path)
        (task,) = load_tasks(str(tmp_path / "starter.toml"))
        assert read_pool(task).fingerprint == suite_tasks()["starter"].fingerprint

    def test_what_a_result_names_is_never_loaded_as_a_path(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(mine.parent)
        assert panglot("run", "random", "--tasks", "mine.toml", "--out", "out")[0] == 0
        (path,) = Path("out").glob("*/mine.json")
        change(path, '"name": "mine"', '"name": "mine.toml"')
        monkeypatch.setattr(catalogue, "read_task_file", lambda _: pytest.fail("A result made a file load."))
        code, said = panglot("show", str(path), "--gallery", "page.html")
        assert (code, "mine.toml is not a task in this suite" in said) == (2, True), said

    def test_gallery_finds_own_data_by_task(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(mine.parent)
        assert panglot("run", "random", "--tasks", "mine.toml", "--out", "out")[0] == 0
        assert panglot("show", "out", "--gallery", "page.html", "--task", "mine.toml")[0] == 0
        assert "Blauwal" in Path("page.html").read_text(encoding="utf-8")


class TestCheck:
    def test_prints_the_fingerprint_to_add(self, mine: Path) -> None:
        code, said = panglot("tasks", "--check", str(mine))
        assert code == 0
        assert f'add: fingerprint = "{FINGERPRINT}"' in said
        change(mine, "licence =", f'fingerprint = "{FINGERPRINT}"\nrelevants = 8\nlicence =')
        code, said = panglot("tasks", "--check", str(mine), "--json")
        (row,) = json.loads(said)
        assert (code, row["state"], row["findings"]) == (0, "as stated", [])

    @pytest.mark.parametrize(
        ("old", "new", "finding"),
        [
            ("en = { queries = 2", "en = { queries = 3", "line 18: languages.en: the data of mine has 2 queries and"),
            ("en = {", "fr = {", "line 16: languages.en: the data of mine has 2 queries and 2 candidates, not 0"),
            ("licence", "relevants = 7\nlicence", "line 4: relevants: the data of mine has 8 relevant pairs, not 7"),
            (
                "licence",
                f'fingerprint = "{"0" * 64}"\nlicence',
                f"line 4: fingerprint: the data of mine has the fingerprint {FINGERPRINT}.",
            ),
            ("[languages]", f'[sha256]\n"qrels.tsv" = "{"0" * 64}"\n[languages]', "qrels.tsv is damaged or changed"),
        ],
    )
    def test_says_where_the_data_differs(self, mine: Path, old: str, new: str, finding: str) -> None:
        change(mine, old, new)
        code, said = panglot("tasks", "--check", str(mine))
        assert code == 1
        assert finding in said

    def test_names_the_command_for_a_folder(self, mine: Path) -> None:
        folder = mine.parent / "animals"
        code, said = panglot("tasks", "--check", str(folder))
        assert code == 2
        assert f"{folder} is a folder. To read and check a folder of data: panglot tasks {folder}" in said

    def test_data_that_is_not_here_is_not_compared(self, mine: Path) -> None:
        shutil.rmtree(mine.parent / "animals")
        (checked,) = check_task_file(mine)
        assert (checked.state, checked.findings, checked.fingerprint) == ("not here", (), "")


class TestMistakes:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"mine"', '"com1"', "line 1: name: 'com1' is reserved in Windows"),
            ("headline", "headlines", "line 3: headlines: unknown key (did you mean headline?)"),
            ('licence = "CC0 1.0"\n', "", "line 1: licence: this key is missing"),
            ('title = "Which', 'title = 3\nnote = "Which', "line 2: title: must be a valid string"),
            ("queries = 2", 'queries = "2"', "line 17: languages.de.queries: must be a valid integer"),
            ("queries = 2", "queries = true", "line 17: languages.de.queries: must be a valid integer"),
            ("queries = 2", "queries = -2", "line 17: languages.de.queries: must be at least 0"),
            (", candidates = 2 }", " }", "line 17: languages.de.candidates: this key is missing"),
            ("de = { queries = 2, candidates = 2 }", "de = {}", "line 17: languages.de.queries: this key is missing"),
            (MINE[MINE.index("[languages]") :], "", "line 1: languages: this key is missing"),
            (MINE[MINE.index("de = {") :], "", "line 16: languages: must not be empty"),
            ("\nde =", "\nzxx =", "line 17: languages.zxx: 'zxx' is reserved for images"),
            ("\nde =", '\n"../de" =', "line 17: languages.../de"),
            ("2 }", '2, sha256 = "abc" }', "line 17: languages.de.sha256"),
            ('"beir"', '"bear"', "line 5: reader: Unknown reader 'bear'. Did you mean beir?"),
            ('reader = "beir"\n', "", "line 1: reader: this key is missing"),
            ("[source]", "[settings]\nfast = true\n[source]", "line 7: settings: Unknown setting 'fast'"),
            ('"folder"', '"floder"', "line 8: source.kind: 'floder' is not one of"),
            ('kind = "folder"\n', "", "line 7: source.kind: this key is missing"),
            ('"animals"', '"../animals"', "line 9: source.path: must be a relative path inside the folder"),
            ('"animals"', '"/etc"', "line 9: source.path: must be a relative path inside the folder"),
            ('path = "animals"', 'path = "animals"\nfiles.topics = "a"', "line 10: source.files.topics: the reader"),
            ('"map"', '"MAP!"', "line 3: headline: 'MAP!' does not match"),
            ("year = 2026", "year = 2026-01-01", "line 14: references.me2026animals.year: must be a valid integer"),
            (
                "[languages]",
                "[languages",
                "is not valid TOML. Expected ']' at the end of a table declaration (at line",
            ),
            ('"mine"', '"mine', "is not valid TOML. Illegal character '\\n' (at line 1"),
            ("year = 2026", f"year = {'9' * 5000}", "is not valid TOML"),
            ("year = 2026", f"year = {'[' * 5000}", "is not valid TOML"),
        ],
    )
    def test_are_reported_with_file_and_line(self, mine: Path, old: str, new: str, message: str) -> None:
        change(mine, old, new)
        with pytest.raises(BadData) as caught:
            load_tasks(str(mine))
        assert str(caught.value).startswith(str(mine))
        assert message in str(caught.value)
        code, said = panglot("run", "random", "--tasks", str(mine))
        assert (code, message in said) == (2, True)

    def test_a_download_needs_its_hash(self, mine: Path) -> None:
        change(mine, 'kind = "folder"\npath = "animals"', 'kind = "download"\nurl = "https://example.org/animals"')
        with pytest.raises(BadData, match=r"line 1: sha256\.corpus\.jsonl: the sha256 of corpus\.jsonl is missing"):
            load_tasks(str(mine))

    def test_an_unknown_headline_is_reported_before_anything_runs(self, mine: Path) -> None:
        change(mine, '"map"', '"mapp"')
        code, said = panglot("run", "random", "--tasks", str(mine))
        assert (code, "line 3: headline: Unknown metric 'mapp'. Did you mean map?" in said) == (2, True)

    def test_an_unknown_headline_is_reported_in_python_too(self, mine: Path) -> None:
        (task,) = load_tasks(str(mine))
        with pytest.raises(UnknownName, match="Unknown metric 'mapp'"):
            run(replace(task, headline="mapp"), load_model("random"))

    def test_the_first_of_several_mistakes_are_reported_in_line_order(self, mine: Path) -> None:
        change(mine, 'headline = "map"\nlicence', "headlines = 3\nlicences")
        with pytest.raises(BadData, match=r"line 1: headline.*line 1: licence.*line 3: headlines:.*line 4: licences:"):
            load_tasks(str(mine))

    @given(data=st.data())
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_change_of_a_file_ends_in_anything_but_tasks_or_a_message(self, mine: Path, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(MINE)))
        end = data.draw(st.integers(start, min(len(MINE), start + 30)))
        put = data.draw(st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), max_size=5))
        path = mine.with_name("changed.toml")
        path.write_text(f"{MINE[:start]}{put}{MINE[end:]}", encoding="utf-8")
        with suppress(PanglotError):
            assert load_tasks(str(path))

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(MissingData, match="There is no file"):
            load_tasks(str(tmp_path / "none.toml"))
        (tmp_path / "folder.toml").mkdir()
        with pytest.raises(BadData, match="cannot be read"):
            load_tasks(str(tmp_path / "folder.toml"))
        (tmp_path / "large.toml").write_bytes(b"#" * (LARGEST + 1))
        with pytest.raises(BadData, match="is larger than 1 MiB"):
            load_tasks(str(tmp_path / "large.toml"))
        (tmp_path / "latin.toml").write_bytes(b'name = "a"\ntitle = "\xe9"\n')
        with pytest.raises(BadData, match="line 2: not UTF-8"):
            load_tasks(str(tmp_path / "latin.toml"))


def read_shouted(paths: Mapping[str, Path], *, times: int = 1) -> Pool:
    """The layout of BEIR in other files."""
    assert times == 2
    return read_folder({name.removesuffix("!"): path for name, path in paths.items()})


class _Entry:
    """An entry point of a package that is not installed."""

    name, value = "shouted", "shouted:FORMAT"

    def __init__(self, offered: object) -> None:
        self._offered = offered

    def load(self) -> object:
        if isinstance(self._offered, Exception):
            raise self._offered
        return self._offered


class TestReadersOfOtherPackages:
    def offer(self, monkeypatch: pytest.MonkeyPatch, offered: object) -> None:
        found = {"panglot.readers": [_Entry(offered)]}
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found.get(group, []))

    def test_are_named_in_a_task_file(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offer(monkeypatch, Format(read_shouted, {f"{name}!": name for name in FORMATS["beir"].files}))
        change(mine, '"beir"', '"shouted"\nsettings = { times = 2 }')
        (task,) = load_tasks(str(mine))
        assert read_pool(task).fingerprint == FINGERPRINT

    def test_check_their_settings(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offer(monkeypatch, Format(read_shouted, FORMATS["beir"].files))
        change(mine, '"beir"', '"shouted"\nsettings = { times = "2" }')
        with pytest.raises(BadData, match="line 6: settings: times must be a valid integer"):
            load_tasks(str(mine))

    @pytest.mark.parametrize(
        ("offered", "message"), [(ImportError("no such module"), "cannot be imported"), (3, "must be a Format")]
    )
    def test_failures_are_reported(
        self, mine: Path, monkeypatch: pytest.MonkeyPatch, offered: object, message: str
    ) -> None:
        self.offer(monkeypatch, offered)
        change(mine, '"beir"', '"shouted"')
        with pytest.raises(BadData, match=f"line 5: reader: .*{message}"):
            load_tasks(str(mine))

    def test_cannot_replace_those_of_the_suite(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offer(monkeypatch, Format(read_shouted, {}))
        monkeypatch.setattr(_Entry, "name", "beir")
        (task,) = load_tasks(str(mine))
        assert read_pool(task).fingerprint == FINGERPRINT


@given(
    st.dictionaries(
        KEYS,
        st.integers()
        | st.text(PLAIN)
        | st.lists(st.integers())
        | st.dictionaries(KEYS, st.integers() | st.text(PLAIN)),
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_of_any_keys(tmp_path: Path, content: dict[str, Any]) -> None:
    quote = partial(json.dumps, ensure_ascii=False)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines, expected = [], {}
    for key in content.keys() - tables.keys():
        lines.append(f"{quote(key)} = {quote(content[key])}  # a comment")
        expected[key,] = len(lines)
    for table, rows in tables.items():
        lines += ["", f"[{quote(table)}]"]
        expected[table,] = len(lines)
        for key, value in rows.items():
            lines.append(f"{quote(key)} = {quote(value)}")
            expected[table, key] = len(lines)
    path = tmp_path / "any.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    toml = read_toml(path)
    assert toml.content == content
    assert {keys: toml.line(keys) for keys in expected} == expected


def test_lines_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(
        "# a comment\n"
        "a.b = 1\n"
        'text = """\n'
        "[no.heading]\n"
        'no = "key"\n'
        '"""\n'
        "many = [\n"
        "  1,\n"
        "]\n"
        "\n"
        "[[rows]]\n"
        "x = 1\n"
        "[[rows]]\n"
        "x = { y = 2 }\n"
        "[rows.z]\n"
        "w = 3\n",
        encoding="utf-8",
    )
    toml = read_toml(path)
    lines = {
        ("a", "b"): 2,
        ("text",): 3,
        ("many", 0): 7,
        ("rows",): 11,
        ("rows", 0, "x"): 12,
        ("rows", 1, "x", "y"): 14,
        ("rows", 1, "z"): 15,
        ("rows", 1, "z", "w"): 16,
        ("rows", 1, "missing"): 13,
        ("missing",): 1,
    }
    assert {keys: toml.line(keys) for keys in lines} == lines


@pytest.mark.parametrize("verb", [("plan", "random", "--tasks"), ("fetch",), ("run", "random", "--tasks")])
def test_a_language_that_a_corpus_lacks_is_refused(verb: tuple[str, ...]) -> None:
    code, said = panglot(*verb, "miracl-hn", "--languages", "xx")
    assert (code, "miracl-hn has no language 'xx'. Known: ar, bn," in said) == (2, True)
