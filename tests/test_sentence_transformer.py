"""Models of sentence-transformers: every option against the library itself, and messages for what cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panglot.data.pool import Pool
from panglot.encode.checkpoints.devices import Here
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.load import load_model
from panglot.encode.model import CountsTokens
from panglot.encode.options import Options
from panglot.encode.vectors import encode_items
from panglot.errors import BadEncoder, MissingExtra
from tests.helpers.devices import imitate_gpu
from tests.helpers.minilm import MINILM
from tests.helpers.tiny import bare

LONG = "bees and flowers " * 120
"""More tokens than the model reads."""


@pytest.fixture(scope="module")
def texts(starter: Pool) -> list[str]:
    """Texts in all languages, of one word and of many."""
    return ["bee", *starter.candidates.texts[5::80]]


@pytest.fixture(scope="module")
def plain(texts: list[str]) -> np.ndarray:
    """What sentence-transformers itself returns."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(MINILM), device="cpu").encode(texts)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """A copy of MiniLM without some files, or with some files changed."""

    def change(without: tuple[str, ...] = (), **files: str) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(MINILM, folder, ignore=shutil.ignore_patterns("data_config.json", "*.md", *without))
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
        return folder

    return change


@pytest.fixture
def prompted(changed: Callable[..., Path]) -> Path:
    """MiniLM with the prompts of E5, named as E5's folders name them."""
    prompts = {"query": "query: ", "document": "passage: ", "passage": "passage: "}
    return changed(config_sentence_transformers__json=json.dumps({"prompts": prompts}))


def load(folder: Path | str, **options: Any) -> SentenceTransformerEncoder:
    model = load_model(f"st:{folder}", Options(**({"device": "cpu"} | options)))
    assert isinstance(model, SentenceTransformerEncoder)
    return model


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_model_with_prompts_equals_sentence_transformers_with_them(prompted: Path, texts: list[str]) -> None:
    from sentence_transformers import SentenceTransformer

    encoder, plain = load(prompted), SentenceTransformer(str(prompted), device="cpu")
    assert encoder.card.prompts == {"query": "query: ", "passage": "passage: "}
    assert cosines(encoder.encode(texts, "query"), plain.encode_query(texts)).min() > 1 - 1e-5
    assert cosines(encoder.encode(texts, "passage"), plain.encode_document(texts)).min() > 1 - 1e-5
    assert cosines(encoder.encode(texts, "query"), plain.encode(texts)).min() < 1 - 1e-4


def test_prompts_of_the_person_come_first(prompted: Path, texts: list[str]) -> None:
    encoder = load(prompted, query_prompt="ask: ", passage_prompt="")
    without = load(prompted, query_prompt="", passage_prompt="")
    assert encoder.card.prompts == {"query": "ask: "}
    assert without.card.prompts == {}
    asked = without.encode([f"ask: {text}" for text in texts], "query")
    assert cosines(encoder.encode(texts, "query"), asked).min() > 1 - 1e-5
    assert cosines(encoder.encode(texts, "passage"), without.encode(texts, "passage")).min() > 1 - 1e-5


def test_the_prompt_for_every_text(changed: Callable[..., Path]) -> None:
    config = json.dumps({"prompts": {"retrieve": "find: "}, "default_prompt_name": "retrieve"})
    encoder = load(changed(config_sentence_transformers__json=config))
    assert encoder.card.prompts == {"query": "find: ", "passage": "find: "}


def test_tokens_are_counted_with_prompt_and_before_truncation() -> None:
    encoder = load(MINILM, query_prompt="query: ")
    assert isinstance(encoder, CountsTokens)
    assert encoder.count_tokens(["bee", "a bee", ""], "passage").tolist() == [3, 4, 2]
    assert encoder.count_tokens(["bee", "a bee", ""], "query").tolist() == [5, 6, 4]
    assert encoder.count_tokens([LONG], "passage").tolist() == [362]
    assert encoder.card.max_length == 256
    assert encoder.count_tokens([], "query").tolist() == []


def test_texts_take_one_forward_pass(texts: list[str]) -> None:
    encoder = load(MINILM)
    shapes: list[tuple[int, ...]] = []
    encoder._model[0].register_forward_hook(
        lambda _, __, output: shapes.append(tuple(output["token_embeddings"].shape))
    )
    encoder.encode([*texts, *texts, *["bee"] * 30], "query")
    assert shapes == [(2 * len(texts) + 30, max(encoder.count_tokens(texts, "query")), 384)]


def test_bf16_is_close_and_recorded(texts: list[str], plain: np.ndarray) -> None:
    encoder = load(MINILM, precision="bf16")
    found = encoder.encode(texts, "query")
    assert 0.99 <= cosines(found, plain).min() < 1 - 1e-6
    assert found.dtype == np.float32
    assert encoder.card.precision == "bf16"
    assert encoder.card.backend == "torch"


def test_fp32_computes_in_float32_from_weights_of_any_type(changed: Callable[..., Path]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = changed()
    half = {name: weight.half() for name, weight in load_file(MINILM / "model.safetensors").items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = load(folder)
    assert {weight.dtype for weight in encoder._model.parameters()} == {torch.float32}


def test_vectors_and_texts_are_truncated(texts: list[str], plain: np.ndarray) -> None:
    from sentence_transformers import SentenceTransformer

    short = load(MINILM, truncate_dim=64, max_length=16)
    assert (short.card.dimension, short.card.max_length) == (64, 16)
    reference = SentenceTransformer(str(MINILM), device="cpu", truncate_dim=64)
    reference.max_seq_length = 16
    found = short.encode(texts, "passage")
    assert found.shape == (len(texts), 64)
    assert cosines(found, reference.encode(texts)).min() > 1 - 1e-5
    assert cosines(found, plain[:, :64]).min() < 0.95
    assert short.encode([LONG], "query") == pytest.approx(short.encode([2 * LONG], "query"), abs=1e-5)
    assert short.count_tokens([LONG], "passage").tolist() == [362]


def test_threads_share_a_model_as_on_a_gpu(starter: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads on one device: tokenizers set their padding in every call, so one at a time tokenizes."""
    pool = starter.only(["en", "zh"])
    encoder = load(MINILM, batch_tokens=300)
    alone = encode_items(encoder, pool, "query").vectors
    imitate_gpu(monkeypatch)
    encoder._run = Here(encoder._model, "cuda")
    encoder.lanes = encoder._run.lanes
    assert encoder.lanes == 2
    assert encode_items(encoder, pool, "query").vectors == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("prefix", ["st:{}", "hf:{}?pooling=mean"])
def test_model_that_accelerate_spreads_gives_the_same_vectors(prefix: str, tmp_path: Path) -> None:
    model = bare(tmp_path / "bare") if "pooling" in prefix else MINILM
    spread = load_model(prefix.format(model), Options(device="auto"))
    assert spread.encode(["a b c"], "query") == pytest.approx(
        load_model(prefix.format(model), Options(device="cpu")).encode(["a b c"], "query"), abs=1e-6
    )
    assert spread.device == "cpu"
    assert spread.card.precision == "fp32"


REMOTE = {
    "configuration_mine__py": "from transformers import BertConfig\nclass Mine(BertConfig):\n    model_type = 'mine'\n",
    "modeling_mine__py": "from transformers import BertModel\nfrom .configuration_mine import Mine\n"
    "class MineModel(BertModel):\n    config_class = Mine\n",
}


@pytest.mark.parametrize("prefix", ["st:{}", "hf:{}?pooling=mean"])
def test_code_of_the_model_runs_only_when_asked(
    changed: Callable[..., Path], prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    config = json.loads((MINILM / "config.json").read_text()) | {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "configuration_mine.Mine", "AutoModel": "modeling_mine.MineModel"},
    }
    name = prefix.format(changed(config__json=json.dumps(config), **REMOTE))
    with pytest.raises(BadEncoder, match=r"runs code from its own repository.*--trust-remote-code"):
        load_model(name)
    trusted = load_model(name, Options(device="cpu", trust_remote_code=True))
    assert trusted.card.trust_remote_code
    assert not load(MINILM, trust_remote_code=True).card.trust_remote_code


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp16"}, "needs a GPU.*--precision bf16"),
        ({"device": "nonsense"}, "The device 'nonsense' is not available"),
        ({"device": "cpu,nonsense"}, "The device 'nonsense' is not available"),
        ({"max_length": 513}, "--max-length 513.*supports 1 to 512 tokens"),
        ({"max_length": 0}, "--max-length 0.*supports 1 to 512 tokens"),
        ({"truncate_dim": 385}, "--truncate-dim 385.*Choose 1 to 384"),
        ({"backend": "openvino", "device": "cpu,cpu"}, "Omit --device cpu,cpu"),
    ],
)
def test_unsupported_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadEncoder, match=message):
        load(MINILM, **options)


@pytest.mark.parametrize("prefix", ["st:{}", "hf:{}?pooling=mean"])
def test_broken_models_are_refused(
    changed: Callable[..., Path], prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: Path | str, message: str) -> None:
        with pytest.raises(BadEncoder, match=message):
            load_model(prefix.format(name))

    refused(tmp_path, "is not a model: it has n")
    refused(changed(without=("token*", "vocab*", "special*")), r"has no tokenizer. Put its tokenizer\.json next")
    shutil.rmtree(tmp_path / "changed")
    refused(changed(without=("*.safetensors",)), "cannot be loaded.*model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("nobody/no-such-model", "is not in the Hub cache, and could not be downloaded. Check the name")


@pytest.mark.parametrize("limit", [None, 128])
def test_static_embeddings_are_loaded(tmp_path: Path, limit: int | None) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokenizer.enable_truncation(limit) if limit else tokenizer.no_truncation()
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu").save(str(tmp_path))
    encoder = load(tmp_path)
    assert encoder.card.max_length == limit
    before = encoder.encode([LONG, "a bee"], "query")
    assert encoder.count_tokens(["a bee", LONG], "query").tolist() == [2, 360]
    assert (encoder.encode([LONG, "a bee"], "query") == before).all()
    assert before.shape == (2, 8)
    with pytest.raises(BadEncoder, match="does not truncate texts"):
        load(tmp_path, max_length=5)


def test_a_missing_backend_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panglot.errors.find_spec", lambda name: None if name == "openvino" else find_spec(name))
    with pytest.raises(MissingExtra, match=r"openvino.*pip install 'panglot\[openvino\]'"):
        load(MINILM, backend="openvino")


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two layers of MiniLM: an export takes seconds for each."""
    folder = Path(shutil.copytree(MINILM, tmp_path_factory.mktemp("shallow") / "minilm"))
    config = json.loads((MINILM / "config.json").read_text()) | {"num_hidden_layers": 2}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for exported models that starts empty."""
    return tmp_path_factory.mktemp("cache")


def test_openvino_equals_torch_on_padded_batches(
    texts: list[str], shallow: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(exported))
    plain = load(shallow).encode(texts, "query")
    encoder = load(shallow, backend="openvino")
    lengths = encoder.count_tokens(texts, "query")
    assert lengths.max() > 10 * lengths.min()
    assert cosines(encoder.encode(texts, "query"), plain).min() >= 0.9999
    assert encoder.card.backend == "openvino"
    assert "openvino" in encoder.card.library
    assert encoder.card.parameters == 15_615_360
    if "BF16" in __import__("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with monkeypatch.context() as patch:  # the second time nothing is exported
            patch.setattr("panglot.encode.checkpoints.openvino._export", None)
            fast = load(shallow, backend="openvino", precision="bf16")
        assert cosines(fast.encode(texts, "query"), plain).min() >= 0.99


def test_an_export_that_computes_something_else_is_refused(
    shallow: Path, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from panglot.encode.checkpoints import openvino

    monkeypatch.setenv("XDG_CACHE_HOME", str(exported / "refused"))
    forward = openvino._Compiled.forward

    def without_mask(self: Any, **features: Any) -> dict[str, Any]:
        features["attention_mask"] = features["attention_mask"] * 0 + 1
        return forward(self, **features)

    monkeypatch.setattr(openvino._Compiled, "forward", without_mask)
    monkeypatch.setattr(openvino, "_write", lambda _, file: shutil.copy(next(exported.rglob("model.onnx")), file))
    with pytest.raises(BadEncoder, match=r"produces different vectors with OpenVINO.*Use --backend torch"):
        load(shallow, backend="openvino")
    assert not list((exported / "refused").rglob("*.onnx"))
