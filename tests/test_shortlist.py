"""A short list of models: who is in it, in which order, how sure, and the same by command and by function."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from panglot.cli.view.shortlist import check_command, how_to_check, shortlist_json, shortlist_view
from panglot.encode.load import load_model
from panglot.errors import PanglotError
from panglot.evaluate.run import run
from panglot.interop.field import Reported, reported_on, shipped_field
from panglot.interop.shortlist import Wishes, cells_of, parse_parameters, shortlist
from panglot.languages import canonical
from panglot.trust.levels import HOLDS
from tests.helpers.command import json_of, panglot
from tests.helpers.tasks import TASKS

LANGUAGES = ("en", "de", "tr", "fr", "es", "ru", "ja", "th", "hi", "vi", "el", "ar", "zh")


def _model(name: str, scores: Any, **facts: Any) -> Reported:
    return Reported(
        name, "1", {(code, code): float(score) for code, score in zip(LANGUAGES, scores, strict=True)}, facts
    )


def _noisy(name: str, mean: float, deviation: float, seed: int, **facts: Any) -> Reported:
    return _model(name, mean + deviation * np.random.default_rng(seed).normal(size=len(LANGUAGES)), **facts)


MODELS = [
    _noisy("org/large", 0.90, 0.01, 0, parameters=7_000_000_000, licence="mit", weights="open", max_length=8192),
    _noisy("org/base", 0.80, 0.02, 1, parameters=300_000_000, licence="apache-2.0", weights="open", max_length=512),
    _noisy("org/small", 0.799, 0.02, 5, parameters=100_000_000, licence="cc-by-nc-4.0", weights="open", max_length=512),
    _noisy("org/weak", 0.50, 0.01, 3, parameters=20_000_000, licence="mit", weights="closed", max_length=None),
    _noisy("org/unknown", 0.70, 0.01, 4),
]


def _names(**wishes: Any) -> list[str]:
    found = shortlist(MODELS, LANGUAGES, Wishes(("de", "tr"), **wishes))
    return [each.model.model.removeprefix("org/") for each in found.choices]


def test_models_are_ordered_by_the_mean_over_the_chosen_languages() -> None:
    found = shortlist(MODELS, LANGUAGES, Wishes(("de", "tr")))
    means = [np.mean([each.model.cells[code, code] for code in ("de", "tr")]) for each in found.choices]
    assert means == sorted(means, reverse=True)
    assert [each.score.value for each in found.choices] == pytest.approx(means)
    assert (found.best_of_all, found.price, found.incomplete, found.excluded) == (None, None, 0, 0)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"max_parameters": 300_000_000}, {"base", "small", "weak"}),
        ({"open_licence": True}, {"large", "base", "weak"}),
        ({"open_weights": True}, {"large", "base", "small"}),
        ({"min_length": 1000}, {"large"}),
        ({"max_parameters": 1}, set()),
    ],
)
def test_limits_leave_out_what_is_beyond_them_or_unknown(wishes: dict[str, Any], expected: set[str]) -> None:
    assert set(_names(**wishes)) == expected


def test_only_clear_differences_are_called_worse() -> None:
    found = shortlist(MODELS, LANGUAGES, Wishes(("de", "tr"), max_parameters=300_000_000))
    tied = {each.model.model: each.tied for each in found.choices}
    assert tied == {"org/base": True, "org/small": True, "org/weak": False}
    assert found.smallest_tied is not None
    assert found.smallest_tied.model.model == "org/small"
    assert found.best_of_all is not None
    assert found.price is not None
    assert found.best_of_all.model == "org/large"
    assert 0.05 < found.price.low < found.price.value < found.price.high


def test_interval_of_five_languages_is_students_over_them() -> None:
    chosen = LANGUAGES[:6]
    first, second = shortlist(MODELS[1:3], LANGUAGES, Wishes(chosen)).choices
    apart = [first.model.cells[code, code] - second.model.cells[code, code] for code in chosen]
    reach = 2.5706 * np.std(apart, ddof=1) / math.sqrt(6)
    assert second.behind == pytest.approx((np.mean(apart), np.mean(apart) - reach, np.mean(apart) + reach), abs=1e-4)


def test_model_without_a_chosen_language_is_counted_not_listed() -> None:
    part = Reported("part", "1", {("de", "de"): 1.0}, {})
    found = shortlist([*MODELS, part], LANGUAGES, Wishes(("de", "tr")))
    assert (len(found.choices), found.incomplete) == (5, 1)
    assert shortlist([*MODELS, part], LANGUAGES, Wishes(("de",))).choices[0].model is part


def test_cells_of_each_direction() -> None:
    within, across = [("de", "de"), ("tr", "tr")], [("en", "de"), ("en", "tr"), ("de", "en"), ("tr", "en")]
    assert cells_of(["de", "tr"], LANGUAGES, "within") == within
    assert cells_of(["de", "tr"], LANGUAGES, "english") == across
    assert cells_of(["de", "tr"], LANGUAGES, "all") == within + across
    assert cells_of(["de"], ("de", "zxx"), "within") == [("de", "zxx")]
    with pytest.raises(PanglotError, match="There are no scores for the direction 'english' in de"):
        cells_of(["de"], ("de", "fr"), "english")


@pytest.mark.parametrize(
    ("text", "number"), [("600M", 600_000_000), ("1.5b", 1_500_000_000), ("12", 12), ("2 k", 2000)]
)
def test_sizes_are_parsed(text: str, number: int) -> None:
    assert parse_parameters(text) == number


@pytest.mark.parametrize("text", ["", "many", "-1M", "0", "1T", "1e9", "9" * 400])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(PanglotError, match=r"A number of parameters is e\.g\. 600M"):
        parse_parameters(text)


def test_command_gives_what_the_function_gives() -> None:
    read = json_of("shortlist", "--languages", "de,tr", "--max-parameters", "600M", "--licence", "open", "--top", "5")
    task = TASKS["belebele"]
    chosen = task.choose(["de", "tr"])
    assert [canonical(code) for code in chosen] == ["de-Latn", "tr-Latn"]
    models = reported_on(shipped_field(), "belebele", "ndcg@10")
    found = shortlist(models, task.languages, Wishes(chosen, max_parameters=600_000_000, open_licence=True))
    assert [each["model"] for each in read["models"]] == [each.model.model for each in found.choices[:5]]
    assert read["models_in_all"] == len(found.choices) > 90
    assert all(each["parameters"] <= 600_000_000 for each in read["models"])
    assert read["check"] == f"panglot run {read['models'][0]['model']} --tasks ./pairs.csv --languages de,tr"


def test_closed_model_is_not_suggested_to_be_run() -> None:
    wishes = Wishes(("de", "tr"), max_parameters=20_000_000)
    assert how_to_check(shortlist(MODELS, LANGUAGES, wishes)) == [
        "The weights of org/weak are closed. If its provider has an OpenAI-compatible endpoint, measure it on your own "
        "data as openai:MODEL@https://HOST/v1."
    ]
    closed = _noisy("closed", 0.95, 0.01, 6, weights="closed")
    found = shortlist([closed, *MODELS], LANGUAGES, Wishes(("de", "tr")))
    assert found.choices[0].model is closed
    assert how_to_check(found)[1] == "Check org/large, the best that can be run, on your own data:"
    assert shortlist_json("belebele", "ndcg@10", Wishes(("de", "tr")), found, 3)["check"].startswith(
        "panglot run org/large "
    )


def test_table_says_what_a_model_gives_up() -> None:
    done = panglot("shortlist", "--languages", "de,tr", "--max-parameters", "600M")
    for part in (
        "German and Turkish",
        "best",
        "Smallest that is not clearly worse",
        "Without the limits",
        "panglot run ",
    ):
        assert part in done.stdout
    done = panglot(
        "shortlist", "submissions/bm25@0.3.16", "--languages", "de", "--task", "xquad-r", "--direction", "all"
    )
    assert "on xquad-r" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--languages", "de", "--max-parameters", "1"], 1, "No model meets these limits. Relax one."),
        (["--languages", "de", "--max-parameters", "big"], 2, "A number of parameters is e.g. 600M"),
        (["--languages", ","], 2, "Name your languages"),
        (["--languages", "de", "--task", "emoji-t2i"], 2, "Nobody reported scores on emoji-t2i"),
        (["--languages", "tlh"], 2, "belebele has no language 'tlh'"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_answered(arguments: list[str], code: int, message: str) -> None:
    done = panglot("shortlist", *arguments)
    assert (done.returncode, message in done.stdout + done.stderr) == (code, True)


def test_results_that_do_not_hold_are_left_out_with_the_reason(tmp_path: Path) -> None:
    own = tmp_path / "own"
    names = ("random", "language-id", "bm25")
    invented, bare, kept = (
        run(TASKS["starter"], load_model(name), languages=["de", "en"]).save(own).parent for name in names
    )
    record = json.loads((invented / "starter.de-en.json").read_bytes())
    record["pairs"]["ndcg@10"][0][0] = [0.97, 0.96, 0.98]
    (invented / "starter.de-en.json").write_text(json.dumps(record), encoding="utf-8")
    (bare / "starter.de-en.evidence.parquet").unlink()
    again = shutil.copytree(kept, tmp_path / "own" / "bm25@z") / "starter.de-en.json"
    torn = shutil.copytree(kept, tmp_path / "own" / "torn@1") / "starter.de-en.json"
    torn.write_text("{", encoding="utf-8")
    read = json_of("shortlist", str(own), "--languages", "de,en", "--task", "starter")
    assert [each["model"] for each in read["models"]] == ["bm25"]
    assert read["models"][0]["trust"] in HOLDS
    assert {Path(path).parent.name for path in read["left_out"]} == {invented.name, bare.name, "bm25@z", "torn@1"}
    assert read["left_out"][str(invented / "starter.de-en.json")].startswith("failed. ")
    assert "Put the evidence beside it" in read["left_out"][str(bare / "starter.de-en.json")]
    assert "It is another result of bm25@" in read["left_out"][str(again)]
    done = panglot("shortlist", str(invented), "--languages", "de", "--task", "starter")
    assert done.returncode == 2
    assert "there are none among the results given. " in done.stderr
    assert "failed. " in done.stderr
    done = panglot("field", str(own))
    assert f"not listed: {torn}: " in done.stdout


@pytest.mark.parametrize("name", ["py:evil:make", "openai:m@http://evil.example/v1", "vectors:/home"])
def test_name_that_runs_code_or_contacts_a_host_is_not_suggested_to_be_run(name: str) -> None:
    hostile = MODELS[0]._replace(model=name, cells=dict.fromkeys(MODELS[0].cells, 1.0))
    found = shortlist([hostile, *MODELS], LANGUAGES, Wishes(("de", "tr")))
    assert found.choices[0].model is hostile
    assert how_to_check(found) == [
        f"{name} is neither built in nor a model of the Hub. Running it can run code or send texts to a host: do so "
        "only if you trust where its result comes from.",
        "Check org/large, the best that can be run, on your own data:",
    ]
    alone = shortlist([hostile], LANGUAGES, Wishes(("de", "tr")))
    assert shortlist_json("belebele", "ndcg@10", Wishes(("de", "tr")), alone, 3)["check"] is None


def test_level_of_a_record_is_told_to_come_from_the_record(tmp_path: Path) -> None:
    folder = run(TASKS["starter"], load_model("random"), languages=["de", "en"]).save(tmp_path / "own").parent
    asked = ("shortlist", str(tmp_path / "own"), "--languages", "de,en", "--task", "starter")
    assert "recorded" not in panglot(*asked).stdout
    assert panglot("verify", "--record", str(tmp_path / "own")).returncode == 0
    assert (
        "The trust level of 1 result comes from verified.json; run panglot verify to check it yourself."
        in panglot(*asked).stdout
    )
    assert json_of(*asked)["recorded"] == 1
    with (folder / "starter.de-en.evidence.parquet").open("wb") as file:
        file.truncate(1 << 40)
    left_out = panglot(*asked)
    assert (left_out.returncode, "it is larger than 128 MiB" in left_out.stderr) == (2, True)


def test_result_that_links_to_itself_is_left_out(tmp_path: Path) -> None:
    folder = run(TASKS["starter"], load_model("random"), languages=["de", "en"]).save(tmp_path / "own").parent
    (tmp_path / "own" / "loop@1").mkdir()
    (tmp_path / "own" / "loop@1" / "starter.json").symlink_to("starter.json")
    read = json_of("shortlist", str(tmp_path / "own"), "--languages", "de,en", "--task", "starter")
    assert [each["model"] for each in read["models"]] == ["random"]
    (reason,) = read["left_out"].values()
    assert reason == "cannot be read. Too many levels of symbolic links."
    assert panglot("rank", str(tmp_path / "own")).returncode == 0
    assert folder.name == "random@1"


@pytest.mark.parametrize(
    ("revision", "options"),
    [
        ("1", []),
        ("1+debias=centre+debias_fit=corpus", ["--debias", "centre"]),
        ("1+precision=bf16+debias=lir:1+debias_fit=corpus", ["--precision", "bf16", "--debias", "lir:1"]),
        (
            "1+debias=centre+debias_fit=corpus+debias_language=py3langid 0.3",
            ["--debias", "centre", "--debias-language", "detect"],
        ),
        ("1+query_prompt=query: ", ["--query-prompt", "query: "]),
        ("1+debias=project:10+debias_fit=e00b3d63db16", None),
        ("1+trust_remote_code=True", None),
    ],
)
def test_command_repeats_the_settings_of_a_variant(revision: str, options: list[str] | None) -> None:
    variant = MODELS[0]._replace(model="use-multilingual", revision=revision)
    wishes = Wishes(("de", "tr"))
    found = shortlist([variant], LANGUAGES, wishes)
    if options is None:
        assert found.first_to_run is None
        assert "has settings that no options repeat" in how_to_check(found)[0]
    else:
        assert found.first_to_run is found.choices[0]
        command = check_command(found.choices[0], wishes)
        asked = "panglot run use-multilingual --tasks ./pairs.csv --languages de,tr"
        assert shlex.split(command) == [*asked.split(), *options]


def test_own_folder_is_not_suggested_by_a_name_that_cannot_be_loaded() -> None:
    own = MODELS[0]._replace(model="my-model")
    found = shortlist([own], LANGUAGES, Wishes(("de", "tr")))
    assert found.first_to_run is None
    assert how_to_check(found)[0].startswith("my-model is neither built in nor a model of the Hub.")


def test_card_beside_a_result_says_what_the_result_does_not(tmp_path: Path) -> None:
    folder = run(TASKS["starter"], load_model("random"), languages=["de", "en"]).save(tmp_path / "own").parent
    asked = ("shortlist", str(tmp_path / "own"), "--languages", "de,en", "--task", "starter", "--weights", "open")
    assert panglot(*asked).returncode == 1
    card = {"model": "random", "revision": "1", "name": "r", "organisation": "o", "licence": "MIT", "weights": "open"}
    for model, listed in (("random", ["random"]), ("another", [])):
        (folder / "card.json").write_text(json.dumps({"format": 1, **card, "model": model}), encoding="utf-8")
        done = panglot(*asked, "--licence", "open", "--json")
        assert [each["model"] for each in json.loads(done.stdout)["models"]] == listed


def test_variants_of_a_model_can_be_told_apart() -> None:
    variants = [MODELS[0]._replace(revision=f"1+debias={method}", facts={"trust": "recomputed"}) for method in "ab"]
    found = shortlist(variants, LANGUAGES, Wishes(("de", "tr")))
    console = Console(width=120, file=StringIO())
    console.print(shortlist_view("belebele", "ndcg@10", Wishes(("de", "tr")), found, 5))
    shown = console.file.getvalue()
    assert "debias=a" in shown
    assert "debias=b" in shown


def test_name_of_a_stranger_is_one_word_of_the_command() -> None:
    wishes = Wishes(("de", "tr"))
    hostile = [model._replace(model="a; touch x $(id) `id`") for model in MODELS[:1]]
    words = shlex.split(check_command(shortlist(hostile, LANGUAGES, wishes).choices[0], wishes))
    assert words[:4] == ["panglot", "run", "a; touch x $(id) `id`", "--tasks"]
