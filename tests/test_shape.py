"""The shape of a result, with evidence and without: what no page or verb could show is refused where it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from panglot.encode.card import ModelCard
from panglot.encode.load import load_model
from panglot.errors import BadData, BadEncoder, BadResult
from panglot.evaluate.run import run
from panglot.fields import check_moment, check_text
from panglot.results.record import read_record
from panglot.results.reported import ReportedResult
from panglot.results.result_record import find_results, read_result_record, record_task
from panglot.trust.rerun import Attestation
from panglot.trust.submission import CARD, SubmissionCard, card_of
from tests.helpers.tasks import TASKS

ROOT = Path(__file__).parents[1]

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outcome = run(TASKS["starter"], load_model("random"), ["de", "en"], curve=[(8, "int8")])
    return outcome.save(tmp_path_factory.mktemp("original"))


@pytest.fixture
def alone(original: Path, tmp_path: Path) -> Path:
    """A result without its evidence."""
    path = tmp_path / original.parent.name / original.name
    path.parent.mkdir()
    data = json.loads(original.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "evidence": {}}), encoding="utf-8")
    return path


def _refused(path: Path, change: Change, message: str) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadResult, match=message):
        read_result_record(path)


def _points(dimensions: Iterable[int], record: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**record["curve"][0], "dimension": dimension} for dimension in dimensions]


def test_every_committed_submission_has_a_valid_shape() -> None:
    for path in find_results([ROOT / "submissions"]):
        assert read_result_record(path).task.languages
    for path in (ROOT / "submissions").glob(f"*/{CARD}"):
        assert read_record(path, SubmissionCard).model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["pairs"].update(map=[[]]), r"pairs\.map: must have 2 rows of 2"),
        (lambda d: d["pairs"]["map"].pop(), r"pairs\.map: must have 2 rows of 2"),
        (lambda d: d["pairs"]["map"][0].append(None), r"pairs\.map: must have 2 rows of 2"),
        (lambda d: d["pairs"].update(map=[[None] * 2] * 2), r"pairs\.map: is empty"),
        (lambda d: d["pairs"].pop("map"), "pairs: lacks map"),
        (lambda d: d["language_mix"].pop(), "language_mix: must have 2 rows"),
        (lambda d: d["language_rank"][0].pop(), "language_rank: must have 2 rows"),
        (lambda d: d["language_mix"][0].__setitem__(0, 1.1), r"language_mix\[0\]\[0\]: 1.1 is not between 0 and 1"),
        (lambda d: d["settings"]["multi"].update(map=[1.5, 1.4, 1.6]), "1.5 is not between 0 and 1"),
        (lambda d: d["settings"]["multi"].update(map=[-0.5, -0.6, 0]), "-0.5 is not between 0 and 1"),
        (lambda d: d["settings"]["multi"].update(map=[0.5, 0.6, 0.4]), "not in its interval"),
        (lambda d: d["settings"]["multi"].update(map=[0.5, 0.6, 0.7]), "not in its interval"),
        (lambda d: d["settings"]["multi"].update({"rouge": [0.5, 0.4, 0.6]}), "Unknown metric 'rouge'"),
        (lambda d: d["settings"]["multi"].update({"ndcg@010": [0.5, 0.4, 0.6]}), "not the usual spelling"),
        (lambda d: d["settings"]["multi"].pop("map"), r"settings\.multi: lacks map"),
        (lambda d: d.update(settings={}), "must hold multi, or mono alone"),
        (lambda d: d["settings"].pop("multi"), "must hold multi, or mono alone"),
        (lambda d: d["settings"].update(other={}), "'other' is unknown"),
        (lambda d: d.update(balance={}), "balance: must have scores"),
        (lambda d: d["bias"].update(rank_distance=[1e300] * 3), "is not between 0 and 156"),
        (lambda d: d["bias"].update(kendall_w=[-0.1, -0.1, 0]), "is not between 0 and 1"),
        (lambda d: d["bias"].update(luck=[0, 0, 0]), "'luck' is unknown"),
        (lambda d: d["blind"].update(luck=0), "'luck' is unknown"),
        (lambda d: d["blind"].update(rank_distance=-1), "is not between 0 and 156"),
        (lambda d: d["languages"].pop("de"), "languages: are not those"),
        (lambda d: d["languages"].update(fr={}), "languages: are not those"),
        (lambda d: d["languages"]["de"].update(luck={}), "'luck' is unknown"),
        (lambda d: d["languages"]["de"].update(multi={}), r"languages\.de\.multi: lacks map"),
        (lambda d: d.update(worst_language="fr"), "worst_language: 'fr' is not one"),
        (lambda d: d["curve"][0].update(dimension=-3), r"curve\.0\.dimension"),
        (lambda d: d["curve"][0].update(form="int4"), r"curve\.0\.form"),
        (lambda d: d["curve"][0]["scores"].update(luck=0.5), "'luck' is unknown"),
        (lambda d: d["curve"][0]["scores"].update(mono=2), "2.0 is not between 0 and 1"),
        (lambda d: d["curve"][0].update(scores={}), r"curve\[0\]\.scores: lacks cross"),
        (lambda d: d["curve"][0]["scores"].pop("multi"), r"curve\[0\]\.scores: lacks multi"),
        (lambda d: d["curve"].extend(_points(range(9, 110), d)), "curve: Tuple should have at most 100 items"),
        (lambda d: d["run"]["encoding"]["queries"].update(fr={}), r"run\.encoding\.queries: 'fr' is unknown"),
        (lambda d: d["model"].update(dimension=4), "is larger than that of the model, 4"),
        (lambda d: d["curve"].append(d["curve"][0]), "two points have one dimension and form"),
        (lambda d: d["evidence"].update(evidence="beef"), r"evidence\.evidence"),
        (lambda d: d["evidence"].update(other="0" * 64), r"evidence\.other"),
        (lambda d: d["task"].update(fingerprint="0" * 63), r"task\.fingerprint"),
        (lambda d: d["task"].update(queries=0), r"task\.queries"),
        (lambda d: d["task"].update(candidates=-1), r"task\.candidates"),
        (lambda d: d["task"].update(languages=[]), r"task\.languages"),
        (lambda d: d["task"].update(languages=["de", "de"]), "one is listed twice"),
        (lambda d: d["task"].update(headline="luck"), "Unknown metric 'luck'"),
        (lambda d: d["task"].update(name="st\x1b[31marter"), r"task\.name: contains the invisible character U\+001B"),
        (lambda d: d["run"].update(created="yesterday"), r"run\.created: must be a date and time in ISO 8601"),
        (lambda d: d["run"].update(created="2026-02-30T12:00:00+00:00"), "must be a date and time"),
        (lambda d: d["run"].update(created="2026-01-30T12:00:00+02:00"), "must be in UTC"),
        (lambda d: d["run"].update(created="2999-01-01T00:00:00+00:00"), "is in the future"),
        (lambda d: d["run"].update(cores=0), r"run\.cores"),
        (lambda d: d["run"]["seconds"].update(rank=-1), r"run\.seconds\.rank"),
        (lambda d: d["run"]["packages"].update({"a\x1bb": "1"}), r"contains the invisible character U\+001B"),
        (lambda d: d["run"]["encoding"].update(fresh=-1), r"run\.encoding\.fresh"),
        (lambda d: d["model"].update(parameters=0), r"model\.parameters"),
        (lambda d: d["model"].update(parameters=-5), r"model\.parameters"),
        (lambda d: d["model"].update(parameters=10**18), r"model\.parameters"),
        (lambda d: d["model"].update(dimension=0), r"model\.dimension"),
        (lambda d: d["model"].update(max_length=-1), r"model\.max_length"),
        (lambda d: d["model"].update(name="a\nb"), r"model\.name: contains the invisible character U\+000A"),
        (lambda d: d["model"].update(revision="a\u200bb"), r"model\.revision"),
        (lambda d: d["model"].update(prompts={"other": "x"}), r"model\.prompts"),
        (lambda d: d.update(format=True), "format"),
        (lambda d: d["task"].update(queries="1_0"), r"task\.queries: must be a valid integer"),
        (lambda d: d["settings"]["multi"].update(map=["0.5", 0.4, 0.6]), "valid number"),
        (lambda d: d["model"].update(trust_remote_code=1), "valid boolean"),
    ],
)
def test_a_result_out_of_shape_is_refused(alone: Path, change: Change, message: str) -> None:
    _refused(alone, change, message)


def _fields(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every field stands; of what is deeper than two keys the first of each, the others are its like."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, item in inner[: None if len(place) < 2 else 1]:
        yield (*place, key)
        yield from _fields(item, (*place, key))


@pytest.mark.parametrize("value", [None, "", [], {}, [[]], -1, 1e300, "\x1b[2J", "x" * 20_000], ids=ascii)
def test_any_field_with_another_value_is_refused_by_name_or_read(alone: Path, value: object) -> None:
    text = alone.read_text(encoding="utf-8")
    fields = list(_fields(json.loads(text)))
    reasons = []
    for place in fields:
        data = json.loads(text)
        holder = data
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = value
        alone.write_text(json.dumps(data), encoding="utf-8")
        try:
            read_result_record(alone)
        except BadResult as error:
            reasons.append(str(error))
    assert len(fields) > 100
    assert len(reasons) > 0.7 * len(fields)
    assert all(reason.isprintable() and len(reason) < 1000 for reason in reasons)


@pytest.mark.parametrize("key", ["format", "headline", "name", "revision"])
def test_a_duplicate_key_is_rejected(alone: Path, key: str) -> None:
    text = alone.read_text(encoding="utf-8")
    start = text.index(f'"{key}": ')
    alone.write_text(text[:start] + f'"{key}": 1, ' + text[start:], encoding="utf-8")
    with pytest.raises(BadResult, match=f"Duplicate key '{key}'"):
        read_result_record(alone)


@pytest.mark.parametrize("field", ["parameters", "dimension", "max_length"])
@pytest.mark.parametrize("value", [0, -5, 10**18, True, 1.5, "1_0"])
def test_bounds_of_a_model_are_those_of_its_card(alone: Path, tmp_path: Path, field: str, value: object) -> None:
    card = tmp_path / CARD
    card.write_text(
        json.dumps({"model": "m", "revision": "1", "name": "m", "organisation": "o", field: value}), encoding="utf-8"
    )
    with pytest.raises(BadResult, match=field):
        read_record(card, SubmissionCard)
    _refused(alone, lambda data: data["model"].update({field: value}), field)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"luck": {"map": 0.5}}}, "'luck' is unknown"),
        ({"settings": {"mono": {"luck": 0.5}}}, "Unknown metric 'luck'"),
        ({"bias": {"luck": 0.5}}, "'luck' is unknown"),
        ({"languages": {"de": {"mono": {"map": 1.5}}}}, "1.5 is not between 0 and 1"),
        ({"fingerprint": "beef"}, "fingerprint"),
        ({"model": "a\x1bb"}, "printable ASCII"),
        ({"format": True}, "format"),
    ],
)
def test_a_reported_row_out_of_shape_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    row = {
        "task": "xquad-r", "fingerprint": None, "model": "m", "revision": "1", "level": "published",
        "settings": {"mono": {"map": 0.5}}, "source": "Table 1", "citation": "A paper",
    }  # fmt: skip
    path = tmp_path / "xquad-r.reported.json"
    path.write_text(json.dumps(row), encoding="utf-8")
    assert read_record(path, ReportedResult).settings == {"mono": {"map": 0.5}}
    path.write_text(json.dumps(row | change), encoding="utf-8")
    with pytest.raises(BadResult, match=message):
        read_record(path, ReportedResult)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pairs": 0}, "pairs"), ({"scores_agree": 1.1}, "scores_agree"), ({"seed": "1"}, "seed")],
)
def test_an_attestation_out_of_shape_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    attestation = {
        "task": "starter", "fingerprint": "0" * 64, "model": "m", "revision": "1", "evidence": {}, "seed": 1,
        "queries": ["q"], "pairs": 1, "scores_agree": 1.0, "lists_agree": 1.0, "largest_difference": 0.0,
        "created": "2026-01-01T00:00:00+00:00", "library": "numpy", "environment": {},
    }  # fmt: skip
    path = tmp_path / "starter.attestation.json"
    path.write_text(json.dumps(attestation), encoding="utf-8")
    assert read_record(path, Attestation).holds
    path.write_text(json.dumps(attestation | change), encoding="utf-8")
    with pytest.raises(BadResult, match=message):
        read_record(path, Attestation)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["settings"]["multi"].update({f"recall@{n}": [1, 1, 1] for n in range(200, 300)}), "metrics"),
        (lambda r: r["pairs"].update({f"recall@{n}": r["pairs"]["map"] for n in range(200, 300)}), "metrics"),
        (lambda r: r["run"].update(packages={f"p{n}": "1" for n in range(2000)}), "run.packages"),
        (lambda r: r["run"].update(seconds={f"step {n}": 1 for n in range(200)}), "run.seconds"),
        (lambda r: r["model"].update(settings=["a=b"] * 200), "model.settings"),
        (lambda r: r["run"]["encoding"]["queries"].update({f"l{n}": {} for n in range(200)}), "encoding.queries"),
    ],
)
def test_more_of_a_kind_than_any_result_has_is_refused(alone: Path, change: Change, message: str) -> None:
    """A valid file of three megabytes with 60,000 metrics took two minutes to verify."""
    record = json.loads(alone.read_text(encoding="utf-8"))
    change(record)
    alone.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BadResult, match=message):
        read_result_record(alone)


def test_a_clock_may_be_a_little_ahead() -> None:
    now = datetime.now(UTC)
    assert check_moment((now + timedelta(minutes=5)).isoformat())
    with pytest.raises(ValueError, match="future"):
        check_moment((now + timedelta(days=1)).isoformat())


NAMES = {
    "a task": ("task", "name"),
    "a language": ("task", "languages", 0),
    "a model": ("model", "name"),
    "a revision": ("model", "revision"),
    "a licence": ("model", "licence"),
    "a package": ("run", "packages", "numpy"),
}
"""Where names stand in a result."""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\uff1d", "'=", '"@', " =", "\r=", "\u200b="])
@pytest.mark.parametrize("place", NAMES.values(), ids=NAMES)
def test_name_that_starts_a_formula_is_refused_in_results(alone: Path, place: tuple[Any, ...], sign: str) -> None:
    data = json.loads(alone.read_text(encoding="utf-8"))
    holder = data
    for key in place[:-1]:
        holder = holder[key]
    old = holder[place[-1]]
    text = json.dumps(data).replace(json.dumps(old), json.dumps(f"{sign}{old}"))  # a language is a key elsewhere
    alone.write_text(text, encoding="utf-8")
    with pytest.raises(BadResult, match=r"starts a formula|white space|invisible"):
        read_result_record(alone)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\uff1d"])
@pytest.mark.parametrize("field", ["task", "model", "revision", "languages", "pairs"])
def test_name_that_starts_a_formula_is_refused_in_reported_rows(field: str, sign: str) -> None:
    row: dict[str, Any] = {
        "task": "t", "fingerprint": None, "model": "m", "revision": "1", "level": "self-reported", "source": "x",
        "citation": "x", "settings": {"multi": {"map": 0.5}},
    }  # fmt: skip
    assert ReportedResult(**row)
    named = {"languages": {f"{sign}de": {}}, "pairs": {f"{sign}de-en": {"map": 0.1}}}
    with pytest.raises(ValueError, match=r"starts a formula|white space|invisible|printable"):
        ReportedResult(**row | {field: named.get(field, f"{sign}x")})


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\uff1d"])
@pytest.mark.parametrize("field", ["name", "organisation", "licence", "training"])
def test_name_that_starts_a_formula_is_refused_in_cards(field: str, sign: str) -> None:
    value: object = {f"{sign}t": "unknown"} if field == "training" else f"{sign}x"
    with pytest.raises(BadResult, match=r"starts a formula|white space|invisible|printable"):
        card_of(ModelCard(name="m", revision="1", library="x"), [], {field: value})


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (("debias=centre", "debias_fit=corpus"), "m (debias=centre)"),
        (("precision=bf16", "truncate_dim=64"), "m (precision=bf16, truncate_dim=64)"),
        (("query_prompt=問い：",), "m"),
        ((f"query_prompt={'x' * 500}",), "m"),
    ],
)
def test_card_is_named_after_what_was_changed_of_the_configuration(settings: tuple[str, ...], name: str) -> None:
    assert card_of(ModelCard(name="org/m", revision="1", library="x", settings=settings), [], {}).name == name


def test_card_names_tasks_in_any_script() -> None:
    card = card_of(ModelCard(name="m", revision="1", library="x"), ["日本語検索"], {})
    assert card.training == {"日本語検索": "unknown"}


def test_joiners_that_spell_words_are_text() -> None:
    assert check_text("می\u200cخواهم")
    with pytest.raises(ValueError, match=r"U\+202E"):
        check_text("\u202e")


def test_a_model_that_no_card_can_hold_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, options: object) -> None:
        ModelCard(name="m", revision="1", library="x", parameters=-1)

    monkeypatch.setattr("panglot.encode.kinds.floors.load_random", load)
    with pytest.raises(BadEncoder, match=r"random has an invalid model card\. ModelCard\.parameters is -1: must be"):
        load_model("random")
    with pytest.raises(ValidationError):
        load("", None)


def test_a_task_that_no_result_can_hold_is_a_sentence_before_the_run() -> None:
    with pytest.raises(BadData, match=r"name: contains the invisible character U\+001B"):
        record_task(replace(TASKS["starter"], name="a\x1bb"), "0" * 64, ("de",), 1, 1)
