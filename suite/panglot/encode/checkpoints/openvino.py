"""OpenVINO: a transformer is exported once, stored in the user's cache, and run without torch.

The export uses an example *with padding* and is compared with torch on another one: a model exported with masks of only
ones silently returns wrong vectors for padded batches.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from panglot.encode.card import Precision
from panglot.errors import BadEncoder, require
from panglot.files import cache_dir

EXAMPLE = ("one", "an example of several lengths, so that the first is padded", "and a third")
CHECK = ("This one stands for texts of some length, as passages are.", "Short.", "Neither long nor short.")
TOLERANCE = 1e-3
"""Maximum difference from torch in any component of a token vector, both in float32."""

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def compile_with_openvino(name: str, revision: str, transformer: Any, precision: Precision) -> None:
    """Replace the torch model inside a sentence-transformers `Transformer` module, in place.

    :raises MissingExtra: OpenVINO or an export library is not installed.
    :raises BadEncoder: the CPU does not support the precision, or the model cannot be exported.
    """
    for module in ("openvino", "onnx", "onnxscript"):
        require(module, "openvino", "--backend openvino")
    import openvino

    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision.upper() not in able:
        raise BadEncoder(f"OpenVINO does not support {precision} on this CPU. Omit --precision.")
    if not hasattr(transformer, "auto_model"):
        raise BadEncoder(f"{name} is not a transformer; --backend openvino supports only transformers. Omit it.")
    file = _folder(name, revision) / "model.onnx"
    if not file.is_file() or revision == "unknown":
        _export(name, transformer, file, core)
    compiled = _Compiled(core, file, transformer.auto_model.config, precision)
    del transformer.model
    transformer.model = compiled


class _Compiled:
    """The interface that the `Transformer` module expects of a model."""

    def __init__(self, core: Any, file: Path, config: Any, precision: Precision) -> None:
        import torch

        hints = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        self.config = config
        self._model = core.compile_model(file, "CPU", hints)
        self._inputs = [tensor.any_name for tensor in self._model.inputs]

    def forward(self, **features: Any) -> dict[str, Any]:
        """Return token vectors [texts, tokens, dimension]."""
        import torch

        result = self._model({name: features[name].numpy() for name in self._inputs})
        return {"last_hidden_state": torch.from_numpy(result[0])}


def _folder(name: str, revision: str) -> Path:
    """Return the folder of the exported model; it depends on the versions of the libraries."""
    made_by = [f"{library} {version(library)}" for library in ("torch", "transformers", "onnxscript")]
    key = hashlib.sha256("\0".join([str(Path(name).resolve()), revision, *made_by]).encode()).hexdigest()[:16]
    slug = "".join(letter if letter.isalnum() else "_" for letter in name)[-60:]
    return cache_dir("openvino", f"{slug}.{key}")


def _export(name: str, transformer: Any, file: Path, core: Any) -> None:
    """Export to a temporary folder, compare with torch, then move the folder into place."""
    import torch

    file.parent.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=file.parent.parent, prefix=".unfinished-"))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            _write(transformer, unfinished / file.name)
            difference = _difference(transformer, _Compiled(core, unfinished / file.name, None, "fp32"))
        if not difference < TOLERANCE:
            raise BadEncoder(
                f"{name} produces different vectors with OpenVINO than with torch (by up to {difference:.2g}). "
                "Use --backend torch."
            )
        shutil.rmtree(file.parent, ignore_errors=True)
        os.replace(unfinished, file.parent)
    except BadEncoder:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        raise BadEncoder(
            f"{name} cannot be exported to OpenVINO. Use --backend torch. {type(error).__name__}: {reason}"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(transformer: Any, file: Path) -> None:
    """Export to ONNX, for any number of texts and tokens."""
    import torch

    example = _features(transformer, EXAMPLE)
    size = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        transformer.auto_model.eval(),
        (),
        kwargs=example,
        input_names=list(example),
        dynamic_shapes={name: {0: size, 1: size} for name in example},
        dynamo=True,
        verbose=False,
    )
    program.save(str(file))


def _difference(transformer: Any, compiled: _Compiled) -> float:
    """Return the largest difference from torch in any component on a padded batch, ignoring padding."""
    features = _features(transformer, CHECK)
    expected = transformer.auto_model(**features).last_hidden_state.numpy()
    found = compiled.forward(**features)["last_hidden_state"].numpy()
    return float(np.abs(found - expected)[features["attention_mask"].numpy() > 0].max())


def _features(transformer: Any, texts: tuple[str, ...]) -> dict[str, Any]:
    return dict(transformer.tokenizer(list(texts), padding=True, return_tensors="pt"))
