"""Models on disk: a folder that transformers saved, or one file of official tensors."""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers.utils import logging

from persam.errors import InputError, MissingExtra, first_line
from persam.io.digest import check_digest
from persam.io.special_files import refuse_special
from persam.models import sam, sam2
from persam.models.config_file import read_config
from persam.models.mobile_sam import is_mobile_sam, load_mobile_sam
from persam.models.sam import SamBackbone
from persam.models.sam2 import Sam2Backbone
from persam.models.suggestions import looks_like
from persam.models.weights import is_official, load_sam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from persam.models.adapter import Adapter

State = dict[str, torch.Tensor]
SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before version 1.6
# transformers' class -> the adapter that speaks to it; a new family's rows go here.
ADAPTERS: dict[str, Callable[[str, Any], Adapter]] = {
    **dict.fromkeys(sam.MODEL_TYPES.values(), SamBackbone),
    **dict.fromkeys(sam2.MODEL_TYPES.values(), Sam2Backbone),
}
SAM_TYPES = sam.MODEL_TYPES | sam2.MODEL_TYPES
POCKET_SIGNATURE = "vision_encoder.mobilenet.stem.weight"


def load_path(path: Path, name: str, *, device: torch.device) -> Adapter:
    """Load the model in a folder or file and put it on a device.

    Args:
        path: exists.
        name: what the user asked for; the backbone keeps it.
        device: where the model goes.

    Raises:
        InputError: not a model of a known family, incomplete, or unsafe to read.
        MissingExtra: EdgeTAM without the packages of its image encoder.
    """
    state = {} if path.is_dir() else read_state(path)
    if POCKET_SIGNATURE in state:
        from persam.models.pocket.backbone import load_pocket

        return load_pocket(path, device=device)
    model = _build(state, path) if state else read_folder(path)
    return ADAPTERS[type(model).__name__](name, model.to(device))


def read_folder(folder: Path, known: Mapping[str, str] = SAM_TYPES) -> Any:
    """Load a transformers model by the ``model_type`` in its ``config.json``, complete or not.

    Args:
        folder: that ``save_pretrained`` wrote.
        known: transformers class of each type that is wanted here; the SAM families' by default.

    Raises:
        InputError: no usable config, an unknown type, or tensors missing or of another shape.
        MissingExtra: EdgeTAM without the packages of its image encoder.
    """
    kind = str(read_config(folder).get("model_type"))
    if kind not in known:
        raise InputError(
            f"{folder} holds a model of type {kind!r}; what runs here is "
            f"{', '.join(sorted(known))}."
        )
    _require_packages(known[kind])
    family = getattr(transformers, known[kind])
    try:
        with quiet():
            model, report = family.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        ImportError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        StrictDataclassError,
        pickle.UnpicklingError,
        safetensors.SafetensorError,
    ) as error:
        raise InputError(
            f"{folder} does not load as {known[kind]} ({first_line(error)}). It needs a matching "
            "config.json and model.safetensors, as save_pretrained writes them."
        ) from error
    # transformers would only warn, and go on with random numbers in their place.
    absent = sorted(report["missing_keys"])
    if absent:
        raise InputError(
            f"{folder} lacks {len(absent)} tensors of {known[kind]}, the first: "
            f"{', '.join(absent[:3])}. Give a complete model."
        )
    return model


def read_state(path: Path) -> State:
    """Read the tensors of a file, and nothing but tensors: no code in it can run.

    Raises:
        InputError: unreadable, of another format, or holding more than tensors.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} is no model file by its name; expected one of {', '.join(SUFFIXES)}, or a "
            "folder with config.json."
        )
    refuse_special(path)
    try:
        if path.suffix.lower() == ".safetensors":
            check_digest(path)
            return _unwrapped(safetensors.torch.load_file(path))
        _require_torch_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        safetensors.SafetensorError,
    ) as error:
        raise InputError(
            f"{path} cannot be read as tensors alone ({first_line(error)}). It is damaged, no "
            "model file, or holds code, which persam never runs."
        ) from error
    return _tensors(content, path)


def _require_torch_file(path: Path) -> None:
    # On other bytes torch's unpickler stumbles in ways that no list of exceptions covers.
    with path.open("rb") as stream:
        start = stream.read(len(OLD_TORCH))
    if start == OLD_TORCH:
        return
    if not zipfile.is_zipfile(path):
        raise ValueError("torch.save did not write it")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
        # torch itself does not compare the checksums that it writes.
        damaged = archive.testzip() if stored else None
    # torch.save stores without compression: whatever grows on unpacking was made by something else.
    if unpacked > 2 * path.stat().st_size + 1_000_000:
        raise ValueError(f"it unpacks to {unpacked:,} bytes")
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} in it differs")


def _tensors(content: Any, path: Path) -> State:
    """Find the state dict in what a training script may have wrapped round it."""
    for key in ("model", "state_dict", "model_state", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if isinstance(content, dict):
        content = {name: part for name, part in content.items() if name != _BESIDE}
    named = isinstance(content, dict) and len(content) > 0
    if not named or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(
            f"{path} holds {type(content).__name__}, not named tensors. Expected a file of "
            "segment-anything's layout."
        )
    return _unwrapped({str(name): tensor for name, tensor in content.items()})


# What training frameworks put before the names: DistributedDataParallel, Lightning, micro-sam.
_PREFIXES = ("module.", "model.", "sam.", "net.", "_orig_mod.")
# micro-sam's second decoder, for whole pictures without prompts, beside the model's own tensors.
_BESIDE = "decoder_state"
# Buffers of the official model that are constants of its family.
_CONSTANTS = ("pixel_mean", "pixel_std")


def _unwrapped(state: State) -> State:
    """The tensors under the names that they had before a framework wrapped the model."""
    while state:
        every = [prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in state)]
        if not every:
            return {name: state[name] for name in state if name not in _CONSTANTS}
        state = {name.removeprefix(every[0]): tensor for name, tensor in state.items()}
    return state


def _build(state: State, path: Path) -> Any:
    if not is_official(state):
        strange, known = ", ".join(sorted(state)[:3]), looks_like(state)
        raise InputError(
            f"{path} is no SAM, SAM-HQ or MobileSAM file: its tensors are called {strange}, ... "
            f"{known}{' ' if known else ''}Files need the official names "
            "(image_encoder..., prompt_encoder..., mask_decoder...); give other models as a folder "
            "with config.json."
        )
    return load_mobile_sam(state) if is_mobile_sam(state) else load_sam(state)


def _require_packages(family: str) -> None:
    needed = ("timm", "torchvision") if family == "EdgeTamModel" else ()
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtra(f"{family} needs {' and '.join(absent)}: pip install 'persam[edgetam]'")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back transformers' progress bars and reports; missing tensors are checked here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
