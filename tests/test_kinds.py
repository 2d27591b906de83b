"""The one door of all kinds of models: which options pass, what the card says about them, which vectors are reused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panglot.data.pool import Pool
from panglot.encode.cache import VectorCache
from panglot.encode.card import ModelCard, Role
from panglot.encode.load import load_model
from panglot.encode.options import OPTIONS, SPEED_ONLY, Options, takes
from panglot.encode.registry import KINDS, TORCH_OPTIONS
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, BadResult, UnknownName
from tests.helpers.documents import ROOT, blocks

PROMPTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.none() | st.integers(1, 10_000)
ASKED = st.builds(
    Options,
    query_prompt=PROMPTS,
    passage_prompt=PROMPTS,
    precision=st.sampled_from([None, "fp32", "bf16", "fp16"]),
    backend=st.sampled_from(["torch", "openvino"]),
    truncate_dim=NUMBERS,
    max_length=NUMBERS,
    device=st.none() | st.just("cpu"),
    batch_tokens=st.none() | st.just(512),
    trust_remote_code=st.booleans(),
    budget=st.none() | st.just(1.0),
    texts_per_request=st.none() | st.just(8),
)


def _own(options: Options) -> set[str]:
    """What changes a model; any model computes in fp32."""
    differing = {field.name for field in fields(options) if getattr(options, field.name) != field.default}
    return differing - ({"precision"} if options.precision == "fp32" else set())


@contextmanager
def offered(load: Any, prefix: str = "hashed") -> Iterator[None]:
    """As if an installed package offered this function under a prefix."""
    entry = EntryPoint(prefix, "somebody:load", "panglot.encoders")
    module = SimpleNamespace(load=load)

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        return [entry] if group == entry.group and name in (None, entry.name) else []

    with (
        mock.patch("importlib.metadata.entry_points", entry_points),
        mock.patch.dict("sys.modules", {"somebody": module}),
    ):
        yield


class Hashed:
    """Random columns, of which `--truncate-dim` keeps the first; its card does not say so."""

    def __init__(self, name: str, options: Options) -> None:
        self.card = ModelCard(name=f"hashed:{name}", revision="1", library="hashed 1")
        self._columns = options.truncate_dim or int(name)

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        seeds = [np.frombuffer(text.encode(), np.uint8) for text in texts]
        return np.stack([np.random.default_rng(seed).random(256)[: self._columns] for seed in seeds])


@given(declared=st.sets(st.sampled_from(OPTIONS)), asked=ASKED)
@settings(max_examples=80, deadline=None)
def test_a_third_party_kind_gets_only_the_options_that_it_declares(declared: set[str], asked: Options) -> None:
    received = []

    @takes(*declared)
    def load(name: str, options: Options) -> Hashed:
        received.append((name, options))
        return Hashed(name, options)

    with offered(load):
        if _own(asked) <= declared:
            model = load_model("hashed:8", asked)
            assert received == [("8", replace(asked, precision=asked.precision or "fp32"))]
            assert model.card.settings == asked.settings()
        else:
            with pytest.raises(BadEncoder, match="hashed:8 does not support --"):
                load_model("hashed:8", asked)
            assert not received


@given(name=st.sampled_from(sorted(KINDS)), asked=ASKED)
@settings(max_examples=80, deadline=None)
def test_a_built_in_kind_refuses_other_options_before_it_loads_anything(name: str, asked: Options) -> None:
    kind = KINDS[name]
    model = Hashed("8", Options())
    model.card = model.card.model_copy(update={"precision": asked.precision or "fp32"})
    with mock.patch("panglot.encode.load.import_loader", return_value=lambda *_: model):
        if _own(asked) <= set(kind.options):
            assert load_model(kind.example, asked).card.settings == asked.settings()
        else:
            with pytest.raises(BadEncoder, match=f"{re.escape(kind.example)} does not support --"):
                load_model(kind.example, asked)


@given(one=ASKED, other=ASKED)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_configurations_share_a_shelf_only_if_no_vector_can_differ(
    one: Options, other: Options, tmp_path: Path
) -> None:
    with offered(takes(*OPTIONS)(Hashed)):
        shelves = {
            VectorCache(tmp_path).shelf(load_model("hashed:8", options).card, "query").folder
            for options in (one, other)
        }
    assert (len(shelves) == 1) == (one.settings() == other.settings())


def test_vectors_of_another_configuration_are_not_taken_from_the_cache(
    make_pool: Callable[[], Pool], tmp_path: Path
) -> None:
    cache, pool, widths = VectorCache(tmp_path), make_pool(), []
    with offered(takes("truncate_dim")(Hashed)):
        for options in (Options(), Options(truncate_dim=16), Options(), Options(truncate_dim=16)):
            widths.append(encode_items(load_model("hashed:256", options), pool, "query", cache).vectors.shape[1])
    assert widths == [256, 16, 256, 16]


@given(ASKED)
@settings(deadline=None)
def test_options_follow_from_the_settings_that_they_write(asked: Options) -> None:
    again = Options.of(asked.settings())
    assert again.settings() == asked.settings()
    assert _own(again) == _own(asked) - set(SPEED_ONLY)


@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=3)
    | st.lists(
        st.tuples(
            st.sampled_from([*OPTIONS, "dimension", ""]),
            st.sampled_from(["=", "", "=="]),
            st.sampled_from(["0", "-1", "016", "1_0", " 16", "1e3", "nan", "True", "true", "bf16", "BF16", "None", ""]),
        ).map("".join),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=80, deadline=None)
def test_settings_are_read_back_exactly_or_refused(stated: list[str]) -> None:
    with suppress(BadResult):
        options = Options.of(stated)
        assert options.settings() == tuple(stated)
        assert 0 not in (options.truncate_dim, options.max_length)


def test_the_kind_of_the_documentation_cuts_its_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(ROOT / "docs" / "add-an-encoder.md"):
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with offered(import_module("hashed_trigrams").load):
        model = load_model("hashed:256", Options(truncate_dim=16))
        assert model.encode(["a bee"], "query").shape == (1, 16)  # type: ignore[union-attr]
        assert model.card.settings == ("truncate_dim=16",)
        with pytest.raises(BadEncoder, match=r"does not support --precision\. It supports --truncate-dim"):
            load_model("hashed:256", Options(precision="bf16"))


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (3, "is not a function"),
        (lambda name, options: None, "of type NoneType is not a model"),
        (lambda name, options: SimpleNamespace(card={}, encode=print), "is not a model. Expected an object with card"),
        (lambda name, options: SimpleNamespace(card=Hashed("8", options).card), "is not a model"),
        (lambda name: None, "cannot be loaded. TypeError: "),
        (lambda name, options: 1 / 0, r"cannot be loaded. ZeroDivisionError: .*test_kinds.py:\d+: "),
    ],
)
def test_a_faulty_third_party_kind_is_reported_in_one_sentence(load: Any, message: str) -> None:
    with offered(load), pytest.raises(BadEncoder, match=message):
        load_model("hashed:8")


def test_a_setting_that_is_not_an_option_is_rejected() -> None:
    def load(name: str, options: Options) -> Hashed:
        model = Hashed(name, options)
        model.card = model.card.model_copy(update={"settings": ("columns=8",)})
        return model

    with offered(load), pytest.raises(BadEncoder, match="has the setting 'columns=8', which is not an option"):
        load_model("hashed:8")


def test_a_card_that_cannot_be_replaced_is_refused() -> None:
    class Fixed(Hashed):
        card = property(lambda self: ModelCard(name="x", revision="1", library="x"), lambda self, _: None)  # type: ignore[assignment]

    class Frozen(Fixed):
        card = property(Fixed.card.fget)  # type: ignore[attr-defined]

        def __init__(self, name: str, options: Options) -> None: ...

    with offered(takes("truncate_dim")(Frozen)):
        assert load_model("hashed:8").card.name == "x"
        with pytest.raises(BadEncoder, match="Make `card` a plain attribute"):
            load_model("hashed:8", Options(truncate_dim=4))


def test_a_model_that_a_package_keeps_gets_the_settings_of_each_call() -> None:
    kept = Hashed("8", Options())
    with offered(takes("truncate_dim")(lambda name, options: kept)):
        found = [load_model("hashed:8", Options(truncate_dim=asked)).card.settings for asked in (4, None, 2)]
    assert found == [("truncate_dim=4",), (), ("truncate_dim=2",)]


def test_an_option_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(BadEncoder, match=r"@takes names the unknown option 'dimension'\. Known: query_prompt, "):
        takes("dimension", "truncate_dim")


def test_options_of_torch_are_all_but_those_of_an_api() -> None:
    assert set(TORCH_OPTIONS) == set(OPTIONS) - {"budget", "texts_per_request"}


@pytest.mark.parametrize("stated", ["columns=8", "device=cpu", "precision", "precision=fp64", "max_length=0", "a" * 50])
def test_settings_that_no_options_write_are_refused(stated: str) -> None:
    with pytest.raises(BadResult, match="cannot be read as options"):
        Options.of([stated])
    with pytest.raises(BadResult, match="cannot be read as options"):
        Options.of(["precision=bf16", "precision=fp16"])


@pytest.mark.parametrize("name", ["bm25:", "random:../x", "constant:http://127.0.0.1", "use-multilingual:x"])
def test_nothing_may_follow_a_whole_name(name: str) -> None:
    with pytest.raises(BadEncoder, match="is a complete model name"):
        load_model(name)


@given(st.text(max_size=40) | st.text(min_size=300, max_size=400).map(lambda text: text * 20))
@settings(deadline=None)
def test_a_name_of_no_kind_is_refused_in_words(name: str) -> None:
    with (
        mock.patch("panglot.encode.load.import_loader", return_value=lambda *_: Hashed("8", Options())),
        suppress(UnknownName, BadEncoder),
    ):
        assert load_model(name).card.name == "hashed:8"
