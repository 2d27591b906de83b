"""What all models of sentence-transformers and transformers need to be opened: devices, weights, plain reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

from panglot.encode.model import Options, Role
from panglot.errors import BadEncoder, PanglotError, require

PROMPT_NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""The names under which a model's own configuration keeps its prompts, in the order of sentence-transformers."""

PROBE = "A text of several words, to try a model: 1, 2, 3."

_LFS = b"version https://git-lfs"

SHOWN = 300
"""Most characters of a library's own words in a message."""


def find_devices(options: Options) -> list[str]:
    """The devices asked for, or the best one that is there.

    :raises BadEncoder: a device that is not there, or that cannot do what is asked of it.
    """
    import torch
    from sentence_transformers.util import get_device_name

    devices = [device.strip() for device in (options.device or get_device_name()).split(",")]
    if options.backend == "openvino":
        if options.device not in (None, "cpu"):
            raise BadEncoder(f"--backend openvino computes on the processor. Leave out --device {options.device}.")
        return ["cpu"]
    for device in devices:
        try:
            torch.empty(0, device=device)
        except Exception as error:
            raise BadEncoder(f"There is no device '{device}' here. {one_line(error)}") from error
    if options.precision == "fp16" and any(torch.device(device).type == "cpu" for device in devices):
        raise BadEncoder(
            "--precision fp16 needs a GPU. Leave it out, or on a processor with bf16 ask for --precision bf16."
        )
    return devices


def weights(options: Options, devices: list[str]) -> dict[str, Any]:
    """Settings for loading weights: their type, which the checkpoint would choose otherwise, and what export needs.

    In bf16 on the processor they stay float32, since autocast is faster there and closer; worker processes do not see
    an autocast, so with several devices the weights themselves are bf16.
    """
    import torch

    if options.backend == "openvino":
        return {"dtype": torch.float32, "attn_implementation": "eager"}
    kept = options.precision == "fp32" or devices == ["cpu"]
    return {"dtype": torch.float32 if kept else {"bf16": torch.bfloat16, "fp16": torch.float16}[options.precision]}


def hide_loading_bars() -> None:
    """Keep transformers from drawing bars of its own for weights that are read in a second; downloads keep theirs."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def check_folder(name: str, *files: str) -> None:
    """Refuse a folder that holds none of these files.

    :raises BadEncoder: naming them.
    """
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in files):
        described = f"neither {files[0]} nor {files[1]}" if len(files) > 1 else f"no {files[0]}"
        raise BadEncoder(f"{folder} is no model: it has {described}.")


def is_out_of_reach(name: str) -> bool:
    """Whether the Hub cannot be asked about a name, so that only its cache is left; asked once, not for every file."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if Path(name).is_dir():
        return False
    try:
        HfApi().model_info(name, timeout=10)
    except HfHubHTTPError:
        return False
    except Exception:
        return True
    return False


def vectors_of(model: Any) -> list[Callable[[], Any]]:
    """What makes a vector of a text in either role, and of an image if a model of sentence-transformers sees them."""
    roles = (model.encode_query, model.encode_document)
    calls: list[Callable[[], Any]] = [partial(encode, [PROBE], show_progress_bar=False) for encode in roles]
    if model.supports("image"):
        from PIL import Image

        calls.append(partial(model.encode, [Image.new("RGB", (64, 64))], show_progress_bar=False))
    return calls


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn whatever fails while a model is loaded into one sentence with the next step.

    :raises BadEncoder: with that sentence.
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
        return f"{name} runs code from its own repository. Read that code, and allow it by --trust-remote-code."
    if not Path(name).is_dir() and not _is_cached(name):
        return (
            f"{name} is no folder here, is not in the Hub's cache, and could not be fetched. Check the name and the "
            f"network; a gated model also needs 'hf auth login'. {type(error).__name__}: {one_line(error)}"
        )
    pointer = next(filter(_is_lfs_pointer, sorted(Path(name).rglob("*.*"))), None)
    if pointer:
        return f"{pointer} is a pointer of Git LFS, not the file itself. Fetch it with: git lfs pull"
    return f"{name} cannot be loaded by sentence-transformers. {type(error).__name__}: {one_line(error)}"


def _is_lfs_pointer(path: Path) -> bool:
    """Whether a file only says where its content is: what a clone without Git LFS gets for large files."""
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
    """What an error says, on one line."""
    return shorten(str(error), SHOWN, placeholder=" ...")
