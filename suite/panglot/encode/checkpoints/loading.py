"""Loading sentence-transformers and transformers models: devices, weights, and readable errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from panglot.encode.card import Precision, Role
from panglot.encode.options import Options
from panglot.errors import BadEncoder, MissingData, PanglotError, require
from panglot.hub import check_reachable, patiently

PROMPT_NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""Prompt names used in model configurations, in the order of precedence of sentence-transformers."""

PROBES = ("A text of several words, to try a model: 1, 2, 3.", "A shorter one")
PROBE = PROBES[0]

TYPES: dict[Precision | None, str] = {None: "auto", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Data types of weights, as transformers takes them; `auto` is that of the checkpoint."""

_LFS = b"version https://git-lfs"

Loaded = TypeVar("Loaded")

_MODULE = re.compile(r"[^/]+|(?:\d+|query|document)_[^/]*/.+")
"""Files of a model: those at the top, and those of the modules that sentence-transformers saves in folders."""
_WEIGHTS = (".safetensors", ".bin", ".h5", ".msgpack", ".ot", ".onnx", ".onnx_data", ".gguf", ".pt", ".pth", ".ckpt")

SHOWN = 300
"""Maximum number of characters quoted from a library's error message."""


AUTO = "auto"
"""The device of a model that accelerate spreads over all devices, since none has the memory for it."""


def find_devices(options: Options) -> list[str]:
    """Return the requested devices, or the best available one; `AUTO` alone if the model is to be spread.

    :raises BadEncoder: a device is not available, or does not support the backend or precision.
    :raises MissingExtra: the model is to be spread, and accelerate is not installed.
    """
    import torch
    from sentence_transformers.util import get_device_name

    devices = [device.strip() for device in (options.device or get_device_name()).split(",")]
    if options.backend == "openvino":
        if options.device not in (None, "cpu"):
            raise BadEncoder(f"--backend openvino runs on the CPU. Omit --device {options.device}.")
        return ["cpu"]
    if devices == [AUTO]:
        require("accelerate", "train", "--device auto")
        return devices
    for device in devices:
        try:
            torch.empty(0, device=device)
        except Exception as error:
            raise BadEncoder(f"The device '{device}' is not available. {one_line(error)}") from error
    if options.precision == "fp16" and any(torch.device(device).type == "cpu" for device in devices):
        raise BadEncoder(
            "--precision fp16 needs a GPU. Omit it, or use --precision bf16 on a CPU with bf16 instructions."
        )
    return devices


def weights(options: Options, devices: list[str]) -> dict[str, Any]:
    """Return settings for loading weights: their data type, by default the checkpoint's, and what the export needs.

    For bf16 on the CPU, weights stay float32, since autocast is faster and more accurate there. Worker processes do not
    inherit autocast, so with several devices the weights themselves are bf16.
    """
    if options.backend == "openvino":
        return {"dtype": "float32", "attn_implementation": "eager"}
    spread = {"device_map": AUTO} if devices == [AUTO] else {}
    return {"dtype": "float32" if options.precision and devices == ["cpu"] else TYPES[options.precision]} | spread


def loading_device(devices: list[str]) -> str | None:
    """Return the device to load a model on: the CPU if processes share it; None if accelerate spreads it."""
    if devices == [AUTO]:
        return None
    return devices[0] if len(devices) == 1 else "cpu"


def placed(model: Any, devices: list[str]) -> list[str]:
    """Return the devices, or the one that takes the inputs of a model that accelerate has spread."""
    return [str(model.device)] if devices == [AUTO] else devices


def hide_loading_bars() -> None:
    """Hide transformers' progress bars for loading weights, which takes a second; download bars stay."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def check_folder(name: str, *files: str) -> None:
    """Reject a local folder that contains none of these files.

    :raises BadEncoder: none of the files exists.
    """
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in files):
        described = f"neither {files[0]} nor {files[1]}" if len(files) > 1 else f"no {files[0]}"
        raise BadEncoder(f"{folder} is not a model: it has {described}.")


def load_fetched(name: str, load: Callable[[bool], Loaded]) -> Loaded:
    """Load a model with `load(local_files_only)`; one of the Hub from the cache, after all its files are fetched.

    The libraries take an optional file whose request fails for one that does not exist, and then load another model, or
    report a missing tokenizer. Parts in other repositories, such as the base of an adapter, need requests nevertheless.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if Path(name).is_dir():
        return patiently(lambda: load(False))
    try:
        _fetch(name)
    except HfHubHTTPError:
        return patiently(lambda: load(False))  # it raises the error that matters
    except Exception:
        return load(True)  # likewise, if the files are not in the cache
    try:
        return patiently(lambda: load(True))  # transformers asks the Hub for some facts even so
    except BadEncoder:
        raise
    except Exception:
        return patiently(lambda: load(False))


def model_folder(name: str) -> Path:
    """Return a folder itself, or that of a model of the Hub in its cache, with all files if the Hub can be reached."""
    from huggingface_hub import snapshot_download

    if Path(name).is_dir():
        return Path(name)
    try:
        return _fetch(name)
    except MissingData:
        return Path(snapshot_download(name, local_files_only=True))


def _fetch(name: str) -> Path:
    """Fetch all files of a model of the Hub into its cache, and return their folder.

    :raises MissingData: the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, snapshot_download

    check_reachable(name)
    files = patiently(lambda: HfApi().model_info(name, timeout=10)).siblings or ()
    wanted = _needed([file.rfilename for file in files])

    def download() -> Path:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
        if not all((folder / file).exists() for file in wanted):  # it returns what is in the cache if the Hub fails
            raise ConnectionError(f"{name} was not fetched whole.")
        return folder

    return patiently(download)


def _needed(files: Sequence[str]) -> list[str]:
    """Return the files of a sentence-transformers or transformers model, without the same weights in other formats."""
    safe = any(file.endswith(".safetensors") for file in files)
    return [
        file
        for file in files
        if _MODULE.fullmatch(file)
        and (not file.endswith(_WEIGHTS) or file.endswith(".safetensors") or (file.endswith(".bin") and not safe))
    ]


def vectors_of(model: Any) -> list[Callable[[], Any]]:
    """Return functions that encode probe texts in either role, and a probe image if the model supports images."""
    roles = (model.encode_query, model.encode_document)
    calls: list[Callable[[], Any]] = [partial(encode, list(PROBES), show_progress_bar=False) for encode in roles]
    if model.supports("image"):
        from PIL import Image

        calls.append(partial(model.encode, [Image.new("RGB", (64, 64))], show_progress_bar=False))
    return calls


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn any exception while loading a model into one message that says what to do.

    :raises BadEncoder: loading the model failed.
    """
    try:
        yield
    except PanglotError:
        raise
    except Exception as error:
        if isinstance(error, ImportError) and "peft" in str(error):
            require("peft", "lora", f"The adapter {name}")
        raise BadEncoder(_reason(name, error)) from error


def _reason(name: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return f"{name} runs code from its own repository. Review that code and allow it with --trust-remote-code."
    if not Path(name).is_dir() and not _is_cached(name):
        return (
            f"{name} is not a local folder, is not in the Hub cache, and could not be downloaded. Check the name and "
            f"the network; a gated model also needs 'hf auth login'. {type(error).__name__}: {one_line(error)}"
        )
    pointer = next(filter(_is_lfs_pointer, sorted(Path(name).rglob("*.*"))), None)
    if pointer:
        return f"{pointer} is a Git LFS pointer, not the file itself. Fetch it with: git lfs pull"
    return f"{name} cannot be loaded by sentence-transformers. {type(error).__name__}: {one_line(error)}"


def _is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a Git LFS pointer, as a clone without Git LFS has for large files."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS)) == _LFS


def _is_cached(name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except ValueError:
        return False


def one_line(error: Exception) -> str:
    """Shorten an error message to one line."""
    return shorten(str(error), SHOWN, placeholder=" ...")
