"""Weights that are not in a model's files, and tokens that its tokenizer should add: found when it is loaded."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panglot.encode.checkpoints.checkpoint import load_watched
from panglot.encode.kinds.sentence_transformer import SentenceTransformerEncoder
from panglot.encode.load import load_model
from panglot.encode.options import Options
from panglot.errors import BadEncoder, MissingExtra
from tests.helpers.tiny import SHAPE, WORDS, bare, change_json, change_weights, saved, tokenizer

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def dense(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of sentence-transformers with a layer of its own behind the pooling."""
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    return saved(tmp_path_factory.mktemp("dense"), Transformer(str(bert)), Pooling(16), Dense(16, 8))


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked language model, from which sparse and late models are made."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("masked")
    torch.manual_seed(3)
    BertForMaskedLM(BertConfig(**SHAPE, initializer_range=0.5)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lora(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of `bert` with random weights, as peft saves it, and the tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("lora")
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["query", "dense"], init_lora_weights=False, inference_mode=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft asks of transformers is deprecated there
        get_peft_model(AutoModel.from_pretrained(bert), config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def copy(model: Path, folder: Path, change: Change | None = None, file: str = "model.safetensors") -> Path:
    """The same model, with other weights in one of its files."""
    shutil.copytree(model, folder)
    if change:
        change_weights(folder / file, change)
    return folder


def load(name: Path | str, **options: Any) -> SentenceTransformerEncoder:
    model = load_model(str(name), Options(**({"device": "cpu"} | options)))
    assert isinstance(model, SentenceTransformerEncoder)
    return model


def without(part: str) -> Change:
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def under(prefix: str) -> Change:
    return lambda tensors: {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def narrow(part: str) -> Change:
    return lambda tensors: {name: one[..., :4] if part in name else one for name, one in tensors.items()}


class TestMissingWeights:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (without("layer.0.output.dense.weight"), r"at random: encoder\.layer\.0\.output\.dense\.weight\."),
            (without("self.query"), r"layer\.0\.attention\.self\.query\.bias, .*query\.weight"),
            (without("word_embeddings"), r"embeddings\.word_embeddings\.weight"),
            (under("model."), r"and 19 more\. Unexpected tensors in the files: .*model\.embeddings\.LayerNorm\.bias"),
            (narrow("word_embeddings"), r"embeddings\.word_embeddings\.weight \[8, 4\] for \[8, 16\]"),
        ],
    )
    @pytest.mark.parametrize("name", ["{}", "hf:{}?pooling=mean"])
    def test_load_refuses_and_names_the_tensors(
        self, dense: Path, tmp_path: Path, change: Change, message: str, name: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(BadEncoder, match=message):
            load(name.format(copy(dense, tmp_path / "m", change)))
        assert "LOAD REPORT" not in capfd.readouterr().err

    @pytest.mark.parametrize("name", ["{}", "hf:{}?pooling=mean"])
    @pytest.mark.parametrize("prefix", ["", "bert."])
    def test_load_refuses_whole_numbers_without_their_scales(
        self, dense: Path, tmp_path: Path, name: str, prefix: str
    ) -> None:
        def quantised(tensors: dict[str, Any]) -> dict[str, Any]:
            return {
                f"{prefix}{key}": one.mul(127).char() if "query.weight" in key else one for key, one in tensors.items()
            }

        with pytest.raises(BadEncoder, match=r"has integers in place of .*attention\.self\.query\.weight"):
            load(name.format(copy(dense, tmp_path / "m", quantised)))

    def test_load_refuses_sizes_that_the_model_itself_ignores(self, dense: Path, tmp_path: Path) -> None:
        folder = copy(dense, tmp_path / "m", narrow("word_embeddings"))
        change_json(folder / "sentence_bert_config.json", model_kwargs={"ignore_mismatched_sizes": True})
        with pytest.raises(BadEncoder, match=r"word_embeddings\.weight \[8, 4\] for \[8, 16\]"):
            load(folder)

    def test_load_refuses_before_anything_is_exported(self, dense: Path, tmp_path: Path) -> None:
        with pytest.raises(BadEncoder, match="lacks weights that its vectors depend on"):
            load(copy(dense, tmp_path / "m", without("output.dense")), backend="openvino", device=None)

    def test_pickled_weights_are_checked_too(self, dense: Path, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file

        folder = copy(dense, tmp_path / "m")
        torch.save(without("layer.0.output")(load_file(folder / "model.safetensors")), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        with pytest.raises(BadEncoder, match=r"encoder\.layer\.0\.output\.LayerNorm\.bias"):
            load(folder)

    @pytest.mark.parametrize("change", [without("pooler"), under("bert.")])
    def test_tensors_that_no_vector_depends_on_may_be_absent(self, dense: Path, tmp_path: Path, change: Change) -> None:
        found = load(copy(dense, tmp_path / "m", change)).encode(["a b", "c"], "query")
        assert (found == load(dense).encode(["a b", "c"], "query")).all()

    def test_pooler_that_makes_the_vectors_may_not_be_absent(self, dense: Path, tmp_path: Path) -> None:
        folder = copy(dense, tmp_path / "m", without("pooler"))
        text = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
        settings = {"modality_config": text, "module_output_name": "sentence_embedding"}
        change_json(folder / "sentence_bert_config.json", **settings)
        first = json.loads((folder / "modules.json").read_text("utf-8"))[:1]
        (folder / "modules.json").write_text(json.dumps(first), encoding="utf-8")
        with pytest.raises(BadEncoder, match=r"random: pooler\.dense\.bias, pooler\.dense\.weight\."):
            load(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (without("bias"), r'Missing key\(s\) in state_dict: "linear\.bias"'),
            (under("0."), r'Unexpected key\(s\) in state_dict: "0\.linear\.bias"'),
            (narrow("linear.weight"), r"size mismatch for linear\.weight"),
        ],
    )
    def test_a_module_of_sentence_transformers(self, dense: Path, tmp_path: Path, change: Change, message: str) -> None:
        with pytest.raises(BadEncoder, match=rf"m/2_Dense: the weights of this Dense module.*{message}"):
            load(copy(dense, tmp_path / "m", change, "2_Dense/model.safetensors"))

    def test_a_module_without_a_file_of_weights(self, dense: Path, tmp_path: Path) -> None:
        folder = copy(dense, tmp_path / "m")
        (folder / "2_Dense" / "model.safetensors").unlink()
        with pytest.raises(BadEncoder, match=r"m/2_Dense: .*Could not find 'model\.safetensors'"):
            load(folder)


class TestMissingWeightsOfOtherKinds:
    @pytest.mark.parametrize("part", ["encoder.layer.0.output.dense.weight", "cls.predictions.transform.dense.weight"])
    def test_sparse(self, masked: Path, tmp_path: Path, part: str) -> None:
        assert load_model(f"sparse:{masked}").card.dimension == len(WORDS)
        with pytest.raises(BadEncoder, match=f"initialise them at random: .*{part}"):
            load_model(f"sparse:{copy(masked, tmp_path / 'm', without(part))}")

    def test_sparse_with_a_way_of_its_own_for_queries(self, masked: Path, tmp_path: Path) -> None:
        from sentence_transformers import SparseEncoder
        from sentence_transformers.base.modules import Router
        from sentence_transformers.sparse_encoder.modules import MLMTransformer, SparseStaticEmbedding, SpladePooling

        document = [MLMTransformer(str(masked)), SpladePooling()]
        query = [SparseStaticEmbedding(tokenizer=document[0].tokenizer)]
        router = Router.for_query_document(query_modules=query, document_modules=document)
        SparseEncoder(modules=[router]).save_pretrained(str(tmp_path / "m"))
        assert load_model(f"sparse:{tmp_path / 'm'}", Options(max_length=7)).card.max_length == 7
        file = next((tmp_path / "m").glob("document_0*/model.safetensors"))
        change_weights(file, without("cls.predictions"))
        with pytest.raises(BadEncoder, match=r"at random: cls\.predictions"):
            load_model(f"sparse:{tmp_path / 'm'}")

    @pytest.mark.parametrize("file", ["model.safetensors", "1_Dense/model.safetensors"])
    def test_late(self, masked: Path, tmp_path: Path, file: str) -> None:
        from sentence_transformers import MultiVectorEncoder

        MultiVectorEncoder(str(masked)).save_pretrained(str(tmp_path / "late"))
        assert load_model(f"late:{tmp_path / 'late'}").card.similarity == "late interaction"
        with pytest.raises(BadEncoder, match=r"lacks weights that|Missing key"):
            load_model(f"late:{copy(tmp_path / 'late', tmp_path / 'm', under('x.'), file)}")

    def test_mteb(self, dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from mteb.models.model_implementations import MODEL_REGISTRY
        from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper

        folder = str(copy(dense, tmp_path / "m", without("layer.0.output")))

        def loader(name: str, revision: str, **_: Any) -> Any:
            return SentenceTransformerEncoderWrapper(folder, device="cpu")

        name = "intfloat/multilingual-e5-small"
        monkeypatch.setitem(MODEL_REGISTRY, name, MODEL_REGISTRY[name].model_copy(update={"loader": loader}))
        with pytest.raises(BadEncoder, match=r"mteb:intfloat/multilingual-e5-small lacks weights.*encoder\.layer\.0"):
            load_model(f"mteb:{name}")

    @pytest.mark.parametrize("part", ["text_projection", "visual_projection", "vision_model.post_layernorm"])
    def test_clip(self, clip: Path, tmp_path: Path, part: str) -> None:
        """A text never touches the vision tower, so an image is looked at too."""
        with pytest.raises(BadEncoder, match=rf"lacks weights.*{part}"):
            load(f"hf:{copy(clip, tmp_path / 'm', without(part))}?pooling=own")


class TestAdapters:
    def test_an_adapter_is_loaded_onto_its_base(self, lora: Path, bert: Path) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModel

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = PeftModel.from_pretrained(AutoModel.from_pretrained(bert), lora).eval()
        with torch.inference_mode():
            tokens = peer(**tokenizer()("a b", return_tensors="pt")).last_hidden_state[0].numpy()
        found = load(f"hf:{lora}?pooling=mean&normalise=false").encode(["a b"], "query")
        assert found == pytest.approx(tokens.mean(axis=0, keepdims=True), abs=1e-5)
        assert np.abs(found - load(f"hf:{bert}?pooling=mean&normalise=false").encode(["a b"], "query")).max() > 0.01

    def test_a_pooling_is_asked_for(self, lora: Path) -> None:
        with pytest.raises(BadEncoder, match=r"Specify it, for example hf:\S+\?pooling=mean"):
            load(lora)

    def test_tensors_missing_from_the_adapter(self, lora: Path, tmp_path: Path) -> None:
        folder = copy(lora, tmp_path / "m", without("query.lora_B"), "adapter_model.safetensors")
        with pytest.raises(BadEncoder, match=r"lacks weights.*attention\.self\.query\.lora_B"):
            load(f"hf:{folder}?pooling=mean")

    def test_tensors_missing_from_the_base(self, lora: Path, bert: Path, tmp_path: Path) -> None:
        folder, base = copy(lora, tmp_path / "m"), copy(bert, tmp_path / "base", without("layer.0.output.dense"))
        change_json(folder / "adapter_config.json", base_model_name_or_path=str(base))
        with pytest.raises(BadEncoder, match=r"lacks weights.*encoder\.layer\.0\.output\.dense\.weight"):
            load(f"hf:{folder}?pooling=mean")

    def test_without_peft_its_install_command_is_named(self, lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        transformer = "sentence_transformers.base.modules.transformer"
        monkeypatch.setattr(f"{transformer}.is_peft_available", lambda: False)
        monkeypatch.setattr("panglot.errors.find_spec", lambda name: None if name == "peft" else object())
        with pytest.raises(MissingExtra, match=r"pip install 'panglot\[lora\]'"):
            load(f"hf:{lora}?pooling=mean")


class TestDeclaredTokens:
    """`add_bos_token` and `add_eos_token` of tokenizer_config.json, beside a tokenizer.json."""

    @pytest.fixture
    def decoder(self, tmp_path: Path) -> Callable[..., Path]:
        def make(template: str, **declared: Any) -> Path:
            folder = bare(tmp_path / "decoder", "Llama", template, pad=False)
            change_json(folder / "tokenizer_config.json", **declared)
            return folder

        return make

    @pytest.mark.parametrize(
        ("template", "declared", "ids", "added"),
        [
            ("<s> $A", {"add_bos_token": True, "add_eos_token": True}, [2, 4, 5, 3], ["</s>"]),
            ("<s> $A", {"add_eos_token": True}, [2, 4, 5, 3], ["</s>"]),
            ("$A", {"add_eos_token": True}, [4, 5, 3], ["</s>"]),
            ("$A", {"add_bos_token": True, "add_eos_token": True}, [2, 4, 5, 3], ["<s>", "</s>"]),
            ("$A </s>", {"add_eos_token": True}, [4, 5, 3], []),
            ("<s> $A", {"add_eos_token": False}, [2, 4, 5], []),
            ("<s> $A", {}, [2, 4, 5], []),
        ],
    )
    def test_are_added_and_recorded(
        self, decoder: Callable[..., Path], template: str, declared: Any, ids: list[int], added: list[str]
    ) -> None:
        import torch
        from transformers import AutoModel

        folder = decoder(template, **declared)
        encoder = load(f"hf:{folder}?pooling=last&normalise=false")
        with torch.inference_mode():
            last = AutoModel.from_pretrained(folder)(torch.tensor([ids])).last_hidden_state[0, -1].numpy()
        assert encoder.encode(["a b", "a b c d"], "query")[0] == pytest.approx(last, abs=1e-5)
        assert encoder.count_tokens(["a b"], "query").tolist() == [len(ids)]
        notes = [f"{token} added as tokenizer_config.json says" for token in added]
        assert encoder.card.backend == ", ".join(["torch", "last pooling", *notes])

    def test_stay_where_a_text_is_cut(self, decoder: Callable[..., Path]) -> None:
        encoder = load(f"hf:{decoder('<s> $A', add_eos_token=True)}?pooling=last", max_length=4)
        short, long = encoder.encode(["a b", "a b c d a b c d"], "query")
        assert short == pytest.approx(long, abs=1e-5)

    @pytest.mark.parametrize("template", ["<s> $A", "<s> $A <unk>"])
    def test_are_refused_where_they_cannot_be_added(self, decoder: Callable[..., Path], template: str) -> None:
        folder = decoder(template, add_eos_token=True, eos_token=None, pad_token="a")
        with pytest.raises(BadEncoder, match="sets add_eos_token, but the tokenizer does not add the token"):
            load(f"hf:{folder}?pooling=last")


class TestStated:
    """What a model's own configuration has to say about pooling and similarity."""

    @pytest.mark.parametrize(("model", "pooling"), [("Bert", "mean"), ("Llama", "last")])
    def test_a_folder_that_states_no_pooling(self, tmp_path: Path, model: str, pooling: str) -> None:
        folder = bare(tmp_path, model)
        if model == "Llama":
            change_json(folder / "config.json", architectures=["LlamaForCausalLM"])
        with pytest.raises(BadEncoder, match=rf"has no modules\.json.*Specify it, .* hf:\S+\?pooling={pooling}"):
            load(folder)

    @pytest.mark.parametrize("similarity", ["euclidean", "manhattan", "dot_score", "Dot", "jaccard"])
    def test_similarities_other_than_cosine_and_dot_are_refused(
        self, bert: Path, tmp_path: Path, similarity: str
    ) -> None:
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.sentence_transformer.modules import Pooling

        folder = saved(tmp_path, Transformer(str(bert)), Pooling(16))
        change_json(folder / "config_sentence_transformers.json", similarity_fn_name=similarity)
        with pytest.raises(BadEncoder, match=f"uses the similarity '{similarity}'; Panglot supports cosine and dot"):
            load(folder)


def test_findings_are_those_of_the_attempt_that_succeeded(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModel

    def without_a_tensor(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor for name, tensor in tensors.items() if "query" not in name}

    damaged = copy(bert, tmp_path / "damaged", without_a_tensor)
    monkeypatch.setattr("panglot.encode.checkpoints.loading._fetch", lambda name: tmp_path)
    attempts = []

    def load(local: bool) -> Any:
        attempts.append(local)
        model = AutoModel.from_pretrained(damaged if local else bert)
        if local:
            raise OSError
        return model

    _, checkpoint = load_watched("someone/model", load)
    assert attempts == [True, False]
    checkpoint.check("someone/model", lambda: pytest.fail("A tensor is said to be missing."))
