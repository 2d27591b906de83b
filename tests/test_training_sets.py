"""Training sets built from public sources: from twins of these, made of the real data, they come out the same."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from panglot.data.builders.training import catalogue
from panglot.data.builders.training.catalogue import TRAINING_SETS
from panglot.data.builders.training.markdown import read_markdown, strip_markdown
from panglot.data.builders.training.mkqa import ARCHIVES
from panglot.data.builders.training.questions import ARCD, CMRC, ENELPI, IAPP, window
from panglot.data.builders.training.sections import GUIDES, LESSONS, SITE, site_file
from panglot.data.builders.training.sentences import DOCUMENTS, FLORES, ntrex_file
from panglot.data.builders.training.terms import CLDR, LANGUAGES, PRESETS, cldr_file, preset_file
from panglot.data.builders.training.training_set import TrainingSet
from panglot.data.origins.archive import Archive
from panglot.errors import BadData, MissingData
from panglot.train.data.training_sets import read_rows
from tests.helpers.archives import served, tar_gz, zipped
from tests.helpers.command import panglot

Row = dict[str, Any]
Members = Iterator[tuple[str, bytes]]
SETS = {each.name: each for each in TRAINING_SETS}
EXTRA = "Short."
"""The text of sections that are too short to be taken."""


def published(name: str, data_dir: Path) -> list[Row]:
    return list(pq.read_table(data_dir / "train" / f"{name}.parquet").to_pylist())


def encoded(content: Any) -> bytes:
    return json.dumps(content).encode()


def ntrex(rows: list[Row]) -> Members:
    lines = defaultdict[str, list[str]](list)
    for row in rows:
        lines[row["lang"]].append(row["text"].replace(" ", "  ", 1))
        if row["lang"] == "en":
            lines[""].append(row["doc"])
    for language, own in lines.items():
        yield ntrex_file(language) if language else DOCUMENTS, "\n".join([*own, ""]).encode()
    yield "LICENSE", b"the licence"
    yield "NTREX-128/newstest2019-ref.afr.txt", b"not taken\n"


def flores(rows: list[Row]) -> Members:
    files = defaultdict[tuple[str, str], list[Row]](list)
    for row in reversed(rows):
        files[row["lang"], row["sib200_split"]].append(row)
    for (language, split), own in files.items():
        file = io.StringIO()
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["index_id", "category", "text"])
        for row in own:
            text = row["text"] if row["text"].endswith('"') else f'"{row["text"]}"'
            table.writerow([row["id"], row["category"], text])
        yield f"data/annotated/{FLORES[language]}/{split}.tsv", file.getvalue().encode()


def mkqa(rows: list[Row]) -> Members:
    for archive, part in ARCHIVES.items():
        files = defaultdict[str, list[Row]](list)
        for row in rows:
            if row["part"] == part:
                code = "zh_cn" if row["lang"] == "zh" else row["lang"]
                question = {"id": row["id"], "question": row["question"], "lang": code}
                files[code].append(question | ({"answers": row["answers"]} if row["answers"] else {}))
        files["en"].append({"id": "1", "question": "an evaluation question", "lang": "en"})
        files["sv"].append({"id": files["en"][0]["id"], "question": "en fråga", "lang": "sv"})
        names = [(f"mkqa_dev/mkqa-{code}.jsonl", b"\n".join(map(encoded, own))) for code, own in files.items()]
        yield archive, zipped([("__MACOSX/mkqa_dev/._mkqa-ar.jsonl", b"\0"), *names])


def presets(rows: list[Row]) -> Members:
    named = defaultdict[str, dict[str, Any]](dict)
    for row in rows:
        if row["source"] == "osm-preset":
            terms = [row["name"], *reversed(row["synonyms"])]
            named[row["lang"]][row["key"]] = {"name": row["name"], "terms": terms}
    for facts in named["de"].values():
        facts["terms"] = ",".join(facts["terms"][1:])
    named["fr"] |= {"not/in/english": {"name": "rien"}}
    named["hi"]["not/named"] = {}
    for language, own in named.items():
        yield preset_file(language), encoded({PRESETS[language]: {"presets": {"presets": own}}})


def cldr(rows: list[Row]) -> Members:
    names = defaultdict[tuple[str, str], dict[str, str]](dict)
    for row in rows:
        if row["source"] in CLDR:
            names[row["lang"], row["source"]][row["key"]] = row["name"]
    for (language, kind), own in names.items():
        others = {"US-alt-short": "USA", "lmo": "lmo", "en-alt-long": "x"} | ({} if language == "en" else {"qqq": "x"})
        content = {"main": {language: {"localeDisplayNames": {CLDR[kind]: others | own}}}}
        yield cldr_file(language, kind), encoded(content)


def start_of(row: Row) -> int:
    """Where the answer is in the passage: of several places, one around which the passage was cut."""
    passage, answer = row["passage"], row["answer"]
    places = (match.start() for match in re.finditer(f"(?={re.escape(answer)})", passage))
    return next(place for place in places if window(passage, place, place + len(answer)) == passage)


def squad(rows: Iterable[Row], number: Callable[[str], Any] = str) -> bytes:
    qas = defaultdict[str, list[Row]](list)
    for row in rows:
        answers = [{"text": row["answer"], "answer_start": start_of(row)}]
        qas[row["passage"]].append({"id": number(row["id"]), "question": row["question"], "answers": answers})
    paragraphs = [{"context": context, "qas": own} for context, own in qas.items()]
    return encoded({"data": [{"title": "x", "paragraphs": paragraphs}]})


def of(source: str, rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["source"] == source]


def arcd(rows: list[Row]) -> Members:
    removed = {"id": "7", "question": "removed?", "passage": "removed", "answer": "removed"}
    yield ARCD, squad([*of("arcd", rows), removed])


def cmrc(rows: list[Row]) -> Members:
    for name, first in zip(CMRC, ("TRIAL", "DEV"), strict=True):
        yield name, encoded([
            {
                "context_text": row["passage"],
                "qas": [{"query_id": row["id"], "query_text": row["question"], "answers": [row["answer"], "x"]}],
            }
            for row in of("cmrc2018", rows)
            if row["id"].startswith(first)
        ])  # fmt: skip


def enelpi(rows: list[Row]) -> Members:
    files = defaultdict[str, list[Row]](list)
    for row in of("enelpi-2020", rows):
        files[row["id"].rpartition("_")[0]].append(row)
    for prefix, own in files.items():
        folder, _, rest = prefix.partition("_")
        kind, _, version = rest.partition("_")
        name = f"{ENELPI}/{folder}/{kind}_data{'_' if version else ''}{version}.json"
        yield name, squad(own, lambda id_: int(id_.rpartition("_")[2]))


def iapp(rows: list[Row]) -> Members:
    lines = [
        encoded({
            "question_id": row["id"],
            "context": row["passage"],
            "question": row["question"],
            "answers": {"text": [row["answer"]], "answer_start": [start_of(row)]},
        })
        for row in of("iapp-wiki-qa", rows)
    ]  # fmt: skip
    yield IAPP, zipped([("data/train.jsonl", b"\n".join(lines[99:])), ("data/test.jsonl", b"\n".join(lines[:99]))])


def documents(source: str, rows: list[Row]) -> Iterator[tuple[str, str, str]]:
    """The language, name and text of each document, in Markdown."""
    texts = defaultdict[str, dict[tuple[str, int], Row]](dict)
    languages = defaultdict[str, set[str]](set)
    for row in of(source, rows):
        texts[row["doc"]][row["lang"], row["section"]] = row
        languages[row["doc"]].add(row["lang"])
    for name, found in texts.items():
        levels = {section: row["level"] for (_, section), row in found.items()}
        for language in languages[name]:
            lines = []
            for section in range(max(levels) + 1):
                row = found.get((language, section), {"heading": "A heading", "text": EXTRA})
                text = row["text"].replace(" _(", "\n_(")
                lines.append(f"{'#' * levels.get(section, 2)} {row['heading']}\n\n{text}\n\n```\n# code\n```\n")
            title = next(row["title"] for (own, _), row in found.items() if own == language)
            front = f'---\ntitle: "{title}"\n---\n' if title else '%{\n  title: "not YAML"\n}\n---\n'
            yield language, name, f"{front}Above the first heading.\n\n" + "\n".join(lines)


def guides(rows: list[Row]) -> Members:
    for language, name, text in documents("opensource-guide", rows):
        folder = "" if language == "en" else f"{GUIDES[language]}/"
        yield f"_articles/{folder}{name}.md", text.encode()
    yield "_articles/de/legal.md", b"## Other\n\n### Levels\n\n"


def lessons(rows: list[Row]) -> Members:
    for language, name, text in documents("elixir-school", rows):
        yield f"lessons/{LESSONS[language]}/{name}.md", text.encode()
    yield "lessons/de/index.md", b"## No such document in English\n"


def site(rows: list[Row]) -> Members:
    pages = defaultdict[str, dict[str, dict[str, str]]](lambda: defaultdict(dict))
    for row in of("bitcoin-org", rows):
        key, (first, _, rest) = f"k{row['section']:03}", row["text"].partition(" ")
        page = pages[row["lang"]][row["doc"]]
        page |= {key: row["heading"], f"{key}txt1": f"<a href='#x'>{first}</a>", f"{key}txt2": rest, "title": "no text"}
    for language, own in pages.items():
        yield site_file(language), encoded({SITE[language]: own})  # JSON is YAML


TWINS: dict[str, Callable[[list[Row]], Members]] = {
    "ntrex": ntrex,
    "sib-200": flores,
    "mkqa": mkqa,
    "osm-preset": presets,
    "cldr": cldr,
    "arcd": arcd,
    "cmrc2018": cmrc,
    "enelpi-2020": enelpi,
    "iapp-wiki-qa": iapp,
    "opensource-guide": guides,
    "elixir-school": lessons,
    "bitcoin-org": site,
}
"""The files of each source, made of the published rows."""


def twin(training_set: TrainingSet, rows: list[Row], folder: Path, url: str = "") -> TrainingSet:
    """The training set with archives in this folder, read from there or from a server."""
    parts = []
    for part in training_set.parts:
        path = tar_gz(folder / f"{part.name}.tgz", ((f"top/{name}", data) for name, data in TWINS[part.name](rows)))
        parts.append(replace(part, archive=Archive(f"{url}/{path.name}" if url else path.as_uri())))
    return replace(training_set, parts=tuple(parts))


KEPT: dict[str, Callable[[Row], bool]] = {
    "ntrex": lambda row: row["doc"] < "b",
    "terms": lambda row: row["key"] < "amenity/b" or row["source"] == "cldr-territory",
    "mkqa_questions": lambda row: row["id"].startswith(("-1", "1")),
    "sections": lambda row: row["doc"] < "c" and '"_ ' not in row["text"],  # a stray underscore
    "validation_flores_sib200": lambda row: True,
}
"""Rows of which twins are made: whole groups of the larger tables."""


@pytest.mark.parametrize("name", KEPT)
def test_set_built_from_twins_equals_the_published_table(name: str, data_dir: Path, tmp_path: Path) -> None:
    rows = [row for row in published(name, data_dir) if KEPT[name](row)]
    made = twin(SETS[name], rows, tmp_path)
    path = made.build(tmp_path / "train")
    assert pq.read_schema(path) == pq.read_schema(data_dir / "train" / path.name)
    assert made.fingerprint(pq.read_table(path).to_pylist()) == made.fingerprint(rows)
    assert made.check(path) == (len(rows), len(rows) == made.rows)
    assert list((tmp_path / "train" / "parts").iterdir()) == []


def test_questions_from_twins_are_the_published_ones(data_dir: Path, tmp_path: Path) -> None:
    """The twins have no text outside the passages, so the hash of a context is known only where this is the passage."""
    rows = [row for row in published("qa_pairs", data_dir) if row["context_id"][-1] in "0123"]
    made = pq.read_table(twin(SETS["qa_pairs"], rows, tmp_path).build(tmp_path / "train")).to_pylist()
    assert len(made) == len(rows)
    given = {(row["source"], row["id"], row["question"]): row for row in rows}
    whole = 0
    for row in made:
        other = given[row["source"], row["id"], row["question"]]
        assert (row["passage"], row["answer"], row["lang"]) == (other["passage"], other["answer"], other["lang"])
        whole += row["context_id"] == other["context_id"]
    assert whole == sum(
        row["context_id"].endswith(hashlib.sha1(row["passage"].encode()).hexdigest()[:12]) for row in rows
    )
    assert whole > 1_000


def test_passage_is_cut_at_spaces_around_the_answer() -> None:
    text = " ".join(f"w{number:03}" for number in range(400))
    start = text.index("w200")
    cut = window(text, start, start + 4)
    assert cut == " ".join(f"w{number:03}" for number in range(120, 281))
    letters = "一" * 2000
    assert window(letters, 1000, 1001) == "一" * (460 + 1 + 460)
    assert window("short text", 0, 5) == "short text"


def test_paragraph_with_the_answer_is_taken(data_dir: Path, tmp_path: Path) -> None:
    row = of("iapp-wiki-qa", published("qa_pairs", data_dir))[0]
    context = f"before {row['answer']}\n{row['passage']}\nafter"
    start = context.index(row["answer"], len(f"before {row['answer']}\n"))
    question = {"question_id": row["id"], "question": row["question"], "context": context}
    lines = encoded(question | {"answers": {"text": [row["answer"]], "answer_start": [start]}})
    path = tar_gz(tmp_path / "a.tgz", [(f"top/{IAPP}", zipped([("test.jsonl", lines)]))])
    (made,) = replace(catalogue.IAPP_PART, archive=Archive(path.as_uri())).read(tmp_path / "licence")
    assert made["passage"] == row["passage"]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Use the [guide](https://a.org/b_(c)) or [docs][1].", "Use the guide or docs."),
        ("* **First** item\n* _Second_ item\n1. third `code_of_it`", "First item Second item third code_of_it"),
        ("> quoted\n> text with <b>tags</b>", "quoted text with tags"),
        ('before\n<aside class="x">\n  said *someone*\n</aside>\nafter', "before after"),
        ("see https://a.org/x and ![picture](a.png) {% include toc.html %} x <> y", "see and x <> y"),
        ("keeps snake_case and __dunder__ and 1 < 2 || true", "keeps snake_case and __dunder__ and 1 < 2 || true"),
    ],
)
def test_markdown_becomes_plain_text(markdown: str, expected: str) -> None:
    assert strip_markdown(markdown) == expected


def test_headings_in_code_and_front_matter_do_not_start_sections() -> None:
    source = "---\ntitle: A title\n# no\n---\nabove\n\n## One ##\ntext\n```sh\n# no\n```\n### `Two`\n\nmore\n"
    found = read_markdown(source.encode())
    assert found == ("A title", [(2, "One", "text"), (3, "Two", "more")])


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without the data: an empty cache."""
    monkeypatch.delenv("PANGLOT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "panglot"


def test_fetch_training_resumes_and_stores_licences(
    data_dir: Path, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "www").mkdir()
    with served(tmp_path / "www") as (url, asked):
        sets = [
            twin(SETS[name], list(filter(KEPT[name], published(name, data_dir))), tmp_path / "www", url)
            for name in ("ntrex", "terms")
        ]
        monkeypatch.setattr(catalogue, "TRAINING_SETS", sets)
        monkeypatch.setattr("panglot.cli.commands.fetch.TRAINED_TASKS", ())
        cldr = (tmp_path / "www" / "cldr.tgz").read_bytes()
        (tmp_path / "www" / "cldr.tgz").write_bytes(cldr[:-1000])
        done = panglot("fetch", "training")
        assert done.returncode == 2
        assert "ntrex: 1,660 rows, not identical to the published table of 39,940 rows, in " in done.stdout
        assert "cldr.tgz is not a .tar.gz archive or is truncated" in done.stdout
        assert "Not fetched: terms; the reasons are above. Run the command again to resume." in done.stderr
        (tmp_path / "www" / "cldr.tgz").write_bytes(cldr)
        done = panglot("fetch", "training")
        assert done.returncode == 0, done.stderr
        assert asked == ["ntrex.tgz", "osm-preset.tgz", "cldr.tgz", "cldr.tgz"]
    licence = (nowhere / "train" / "licences" / "ntrex.txt").read_text(encoding="utf-8")
    assert licence.startswith("ntrex: http://127.0.0.1:")
    assert licence.endswith("Licence: CC BY-SA 4.0\n\nthe licence")
    assert len(read_rows("train/ntrex.parquet")) == 1660
    monkeypatch.setenv("PANGLOT_DATA", str(data_dir))
    assert len(read_rows("train/ntrex.parquet")) == 39_940


def test_missing_training_data_names_the_command(nowhere: Path) -> None:
    with pytest.raises(MissingData, match=r"ntrex\.parquet does not exist\. Download it by `panglot fetch training`"):
        read_rows("train/ntrex.parquet")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "has no file DOCUMENT_IDS.tsv"),
        ([(DOCUMENTS, b"a\nb\n"), (ntrex_file("en"), b"one\n")], "has 1 sentences in .* for 2 places"),
    ],
)
def test_other_source_is_refused(members: list[tuple[str, bytes]], message: str, tmp_path: Path) -> None:
    path = tar_gz(tmp_path / "a.tgz", ((f"top/{name}", data) for name, data in members))
    part = replace(catalogue.NTREX_PART, archive=Archive(path.as_uri()))
    with pytest.raises(BadData, match=rf"a\.tgz {message}\. It is not the source that this version was written for"):
        part.read(tmp_path / "licence")


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (catalogue.ARCD_PART, b"<html>"),
        (catalogue.ARCD_PART, b"[]"),
        (catalogue.ARCD_PART, b'{"data": [{"paragraphs": 7}]}'),
        (catalogue.MKQA_PART, b"PK"),
        (catalogue.MKQA_PART, zipped([("mkqa-ar.jsonl", b"[1]")])),
    ],
)
def test_damaged_source_is_an_error_without_traceback(part: Any, content: bytes, tmp_path: Path) -> None:
    names = [ARCD, *ARCHIVES]
    path = tar_gz(tmp_path / "a.tgz", ((f"top/{name}", content) for name in names))
    with pytest.raises(BadData, match=r"a\.tgz has a"):
        replace(part, archive=Archive(path.as_uri())).read(tmp_path / "licence")


def test_every_language_of_the_sources_is_of_the_published_tables(data_dir: Path) -> None:
    languages = {row["lang"] for row in published("terms", data_dir)}
    assert set(LANGUAGES) == languages == {"en", *PRESETS, "sw"} == set(FLORES)


@pytest.mark.network
@pytest.mark.parametrize("name", SETS)
def test_public_sources_give_the_published_table(name: str, tmp_path: Path) -> None:
    assert SETS[name].check(SETS[name].build(tmp_path)).identical
