"""Models that do what few do, played by stand-ins: what they cannot give is said, what they can is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest

from panglot.data.pool import Pool
from panglot.encode.card import ModelCard
from panglot.encode.checkpoints.loading import explained, load_fetched
from panglot.encode.checkpoints.openvino import compile_with_openvino
from panglot.encode.checkpoints.tokens import tokenize
from panglot.encode.kinds import model2vec, mteb_model, sparse
from panglot.encode.kinds.encoder_classes import Opened
from panglot.encode.kinds.late import LateModel
from panglot.encode.kinds.sparse import SparseModel
from panglot.encode.options import Options
from panglot.errors import BadEncoder
from panglot.progress import silent
from tests.helpers.pools import PoolMaker

Model = TypeVar("Model", SparseModel, LateModel)


@pytest.fixture
def pool(make_pool: PoolMaker) -> Pool:
    return make_pool(questions=2, distractors=0, languages=("de",))


def _card(similarity: str = "dot") -> ModelCard:
    return ModelCard(name="odd", revision="1", library="none", similarity=similarity)


class Encodes:
    """A stand-in for a model of sentence-transformers that makes something of each text."""

    similarity_fn_name = "maxsim"
    device = "cpu"

    def __init__(self, make: Callable[[str], Any], together: Callable[[list[Any]], Any]) -> None:
        self._make, self._together = make, together

    def encode_query(self, texts: Sequence[str], **_: object) -> Any:
        return self._together([self._make(text) for text in texts])

    encode_document = encode_query


def made(kind: type[Model], model: Encodes, similarity: str = "dot") -> Model:
    """A model of this kind that encodes all texts in one batch."""
    found: Any = kind.__new__(kind)
    found._model, found.card, found.device = model, _card(similarity), "cpu"
    found._encode_items = lambda items, role, encode, *_: encode(list(items.texts))
    return found


class TestSparse:
    def test_weights_compared_by_cosine_have_unit_length(self, pool: Pool) -> None:
        import torch

        model = Encodes(lambda text: torch.tensor([3.0, 4.0 * text.startswith("text")]), torch.stack)
        scores = made(SparseModel, model, "cosine").scores(pool, silent).block(0, 2)
        assert scores == pytest.approx(np.full((2, 2), 0.6))

    def test_a_weight_that_is_not_a_number_is_rejected(self, pool: Pool) -> None:
        import torch

        model = Encodes(lambda _: torch.tensor([1.0, np.nan]), torch.stack)
        with pytest.raises(BadEncoder, match="odd returned NaN, infinite or too large weights for 'question"):
            made(SparseModel, model).scores(pool, silent)

    def test_another_comparison(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sparse, "stated_kind", lambda *_: ("SparseEncoder", []))
        monkeypatch.setattr(
            sparse, "open_model", lambda *_: Opened(SimpleNamespace(similarity_fn_name="euclidean"), Options(), [])
        )
        with pytest.raises(BadEncoder, match=r"sparse:odd uses the similarity euclidean\. Expected dot or cosine"):
            sparse.load("odd", Options())


class TestLate:
    def test_a_mean_over_the_query_tokens(self, pool: Pool) -> None:
        """Queries of two tokens, each with product 1: the sum is 2, the mean 1."""
        import torch

        model = Encodes(lambda text: torch.eye(2) if text.startswith("question") else torch.ones(3, 2), list)
        late = made(LateModel, model, "late interaction")
        assert late.scores(pool, silent).block(0, 2).tolist() == [[2, 2], [2, 2]]
        model.similarity_fn_name = "meanmaxsim"
        assert late.scores(pool, silent).block(0, 2).tolist() == [[1, 1], [1, 1]]

    @pytest.mark.parametrize("tokens", [0, 1])
    def test_no_token_vectors_or_none_that_are_numbers(self, pool: Pool, tokens: int) -> None:
        import torch

        model = Encodes(lambda _: torch.full((tokens, 2), np.inf), list)
        with pytest.raises(BadEncoder, match="no token vectors, or NaN, infinite or too large ones, for 'question"):
            made(LateModel, model, "late interaction").scores(pool, silent)


class TestMteb:
    @pytest.fixture
    def load(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], mteb_model.MtebEncoder]:
        """Loads a model as if mteb had it."""

        def load(model: Any) -> mteb_model.MtebEncoder:
            meta = SimpleNamespace(
                name="odd/model", model_type=["dense"], loader_kwargs={}, revision="7", embed_dim=[2, 4],
                n_parameters=None, max_tokens=float("inf"), license=None, load_model=lambda **_: model,
            )  # fmt: skip
            model.mteb_model_meta = meta
            monkeypatch.setattr(mteb_model, "_meta", lambda _: meta)
            return mteb_model.load("odd/model", Options())

        return load

    def test_tensors_are_taken(self, load: Callable[[Any], mteb_model.MtebEncoder]) -> None:
        import torch

        vectors = torch.arange(8, dtype=torch.bfloat16, requires_grad=True).reshape(2, 4)
        encoder = load(SimpleNamespace(encode=lambda *_, **__: vectors, similarity=lambda a, b: a @ b.T))
        assert encoder.encode(["a", "b"], "query").tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert (encoder.card.similarity, encoder.card.dimension, encoder.card.max_length) == ("dot", 4, None)
        assert encoder.card.note.endswith("Prompts are made inside it.")

    @pytest.mark.parametrize(("both", "passage"), [(True, "document: find"), (False, None)])
    def test_instructions_are_prompts(
        self, load: Callable[[Any], mteb_model.MtebEncoder], both: bool, passage: str | None
    ) -> None:
        from mteb.models.instruct_wrapper import InstructSentenceTransformerModel

        class Instructed(InstructSentenceTransformerModel):
            apply_instruction_to_passages = both
            mteb_model_meta = None

            def __init__(self) -> None: ...

            def get_task_instruction(self, task: Any, prompt_type: Any) -> str:
                return f"{prompt_type.value}: find"

            def similarity(self, one: Any, other: Any) -> Any:
                return np.ones((1, 1))

        prompts = {"query": "query: find", "passage": passage}
        assert load(Instructed()).card.prompts == {role: prompt for role, prompt in prompts.items() if prompt}

    def test_a_model_that_searches_by_itself(self, load: Callable[[Any], mteb_model.MtebEncoder]) -> None:
        with pytest.raises(BadEncoder, match="mteb:odd/model is a search system without vectors"):
            load(SimpleNamespace())

    def test_another_comparison(self, load: Callable[[Any], mteb_model.MtebEncoder]) -> None:
        model = SimpleNamespace(encode=print, similarity=lambda a, b: -np.abs(a - b))
        with pytest.raises(BadEncoder, match="odd/model uses neither cosine nor dot product"):
            load(model)


class TestOpenVino:
    def test_a_precision_that_the_processor_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openvino.Core", lambda: SimpleNamespace(get_property=lambda *_: ["FP32"]))
        with pytest.raises(BadEncoder, match="OpenVINO does not support bf16 on this CPU"):
            compile_with_openvino("odd", "1", SimpleNamespace(auto_model=None), "bf16")

    def test_a_module_that_is_not_a_transformer_is_rejected(self) -> None:
        with pytest.raises(BadEncoder, match="odd is not a transformer; --backend openvino supports"):
            compile_with_openvino("odd", "1", SimpleNamespace(), "fp32")

    def test_an_export_that_fails_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with pytest.raises(
            BadEncoder, match=r"odd cannot be exported to OpenVINO\. Use --backend torch\. AttributeError"
        ):
            compile_with_openvino("odd", "1", SimpleNamespace(auto_model=None), "fp32")
        assert list((tmp_path / "panglot" / "openvino").iterdir()) == []


class TestHub:
    def test_a_static_model_by_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from model2vec import StaticModel
        from tokenizers import Tokenizer, models

        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "one": 1}, unk_token="[UNK]"))
        StaticModel(np.eye(2, dtype=np.float32), tokenizer).save_pretrained(tmp_path / "abc123")
        monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path / "abc123"))
        card = model2vec.load("someone/static", Options()).card
        assert (card.name, card.revision, card.dimension) == ("someone/static", "abc123", 2)

    @pytest.mark.parametrize(("status", "local"), [(None, True), (404, False), (0, True)])
    def test_a_model_is_loaded_from_the_cache_unless_the_hub_refuses_it(
        self, status: int | None, local: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        def answer(*_: object, **__: object) -> SimpleNamespace:
            if status is None:
                return SimpleNamespace(siblings=None)
            if status:
                raise HfHubHTTPError("Not found", response=SimpleNamespace(headers={}, request=None, status_code=404))
            raise ConnectionError

        monkeypatch.setattr("panglot.encode.checkpoints.loading.check_reachable", lambda name: None)
        monkeypatch.setattr("panglot.hub.WAITS", ())
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", answer)
        monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: ".")
        assert load_fetched("someone/model", lambda local: local) is local

    def test_a_name_that_can_be_none(self) -> None:
        with (
            pytest.raises(BadEncoder, match="a/b/c is not a local folder, is not in"),
            explained("a/b/c"),
        ):
            raise OSError


def test_word_tokenizers_of_the_oldest_form() -> None:
    assert tokenize(SimpleNamespace(tokenize=str.split), ["one two", "three"]) == [["one", "two"], ["three"]]
