"""Models behind one shape: a picture -> an embedding; an embedding and prompts -> mask logits.

Adapters live one family a file; this file knows how they are called and where they run. Importing
it is cheap: torch and transformers come in when a model is loaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError, ModelNotFound
from persam.models import hub, registry
from persam.models.runtime import ENGINES, PRECISIONS, RuntimeChoice
from persam.models.runtime.devices import choose_device, choose_precision, resolved_precision
from persam.models.suggestions import meant

if TYPE_CHECKING:
    import torch

    from persam.models.base import Backbone


__all__ = [
    "ENGINES",
    "PRECISIONS",
    "choose_device",
    "choose_precision",
    "joined",
    "load",
    "locate",
    "stabilised",
]

_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_MATCHED = " matched by "
_STABILISED = " stabilised by "
_FILES = (".pth", ".pt", ".safetensors", ".bin", ".ckpt")


def load(
    name: str | Path = registry.POCKET,
    *,
    match_with: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    engine: str = "auto",
) -> Backbone:
    """Load a model, ready to use.

    Args:
        name: one of, in this order: a name of the catalogue (``"pocket"``, ``"sam-vit-huge"``,
            ``"facebook/sam-vit-huge"``, see ``persam models``); a folder that transformers saved;
            a ``.pth``, ``.pt`` or ``.safetensors`` file with official SAM, SAM-HQ or MobileSAM
            tensors; any hub id, ``"owner/name"`` or ``"owner/name@commit"``. A ``Path`` is
            always a file or folder. A ``str`` may also name two models, as a backbone with
            ``match_with`` does: ``"pocket matched by facebook/dinov2-large"``, and a plugin:
            ``"pocket stabilised by plugin.safetensors"``.
        match_with: a DINOv2 or DINOv3 model that objects are compared by instead of the model's own
            features: a hub id (``"facebook/dinov2-large"``) or a folder that transformers saved.
        device: ``"auto"`` (CUDA, then Apple's MPS, then the CPU) or a torch device.
        precision: of the image encoder. ``"auto"`` is bf16 where the CPU or GPU computes in it and
            the model's answers were found to stay the same, else fp32; ``"fp32"``, ``"bf16"`` and
            ``"fp16"`` are taken at their word. PERSAM_PRECISION stands in for ``"auto"``.
        engine: what runs encoder and decoder: ``"auto"`` is on a CPU OpenVINO where it is there,
            else ONNX Runtime where that is, else torch, and on other devices torch; ``"compile"``
            is torch compiled, which takes a minute at the first picture. The first load by
            ``"openvino"`` or ``"onnx"`` converts the encoder and keeps that in the user's cache.
            PERSAM_ENGINE stands in for ``"auto"``.

    Raises:
        ModelNotFound: not on this machine and not downloadable; says what was tried.
        InputError: a file or folder that is no such model, a device that is not there, or an
            engine that does not run there.
        MissingExtra: an engine whose packages are not installed.
    """
    if isinstance(name, str) and _STABILISED in name:
        from persam.models.stable_sam.backbone import stabilize

        name, _, plugin = name.rpartition(_STABILISED)
        place = {"device": device, "precision": precision, "engine": engine}
        return stabilize(load(name, match_with=match_with, **place), plugin)
    asked, place = RuntimeChoice(engine, precision), choose_device(device)
    name, match_with = _both(name, match_with)
    if match_with is None:
        return _load(name, place, asked)
    from persam.models.dinov2 import MatchedBackbone, load_matcher

    # None of the catalogue's models is one to match with: said before anything is downloaded.
    folder = None if registry.find(str(match_with)) else locate(match_with)
    kind = resolved_precision(asked.wished().precision, place)
    matcher = load_matcher(folder, str(match_with), device=place, precision=kind)
    return MatchedBackbone(_load(name, place, asked), matcher)


def joined(model: str, matcher: str) -> str:
    """Name of a backbone of two models, which :func:`load` takes apart again."""
    return f"{model}{_MATCHED}{matcher}"


def stabilised(model: str, plugin: str | None) -> str:
    """Name of a backbone with a Stable-SAM plugin, which :func:`load` takes apart again.

    Example:
        >>> stabilised("pocket", "plugin.safetensors"), stabilised("pocket", None)
        ('pocket stabilised by plugin.safetensors', 'pocket')
    """
    return model if plugin is None else f"{model}{_STABILISED}{plugin}"


def _both(name: str | Path, match_with: str | Path | None) -> tuple[str | Path, str | Path | None]:
    """The model's name and the matcher's, whichever way they were given."""
    if isinstance(name, Path) or _MATCHED not in name:
        return name, match_with
    if match_with is not None:
        raise InputError(
            f"{name!r} says already what it is matched by; leave {str(match_with)!r} out."
        )
    model, _, matcher = name.partition(_MATCHED)
    return model, matcher


def _load(name: str | Path, place: torch.device, asked: RuntimeChoice) -> Backbone:
    found = locate(name)
    if found is None:
        from persam.models.pocket.backbone import load_pocket

        return load_pocket(device=place).run_by(asked)
    from persam.models.files import load_path

    return load_path(found, str(name), device=place).run_by(asked)


def locate(name: str | Path) -> Path | None:
    """Find the file or folder behind a model's name, downloading it if need be.

    Args:
        name: as for :func:`load`.

    Returns:
        A path that exists; None for the built-in model.

    Raises:
        ModelNotFound: not on this machine and not downloadable; says what was tried.
    """
    entry = None if isinstance(name, Path) else registry.find(name)
    if entry is not None:
        if entry.url:
            return hub.fetch_file(entry)
        if not entry.repository:
            return None
        return hub.fetch_repository(entry.repository, entry.revision)
    path = Path(name).expanduser()
    if path.exists():
        return path
    hub_id = _HUB_ID.fullmatch(str(name))
    if isinstance(name, Path) or path.suffix.lower() in _FILES or not hub_id:
        raise ModelNotFound(_unknown(str(name)))
    return hub.fetch_repository(hub_id["repository"], hub_id["revision"] or "")


def _unknown(name: str) -> str:
    hint = f" {sentence}" if (sentence := meant(name)) else ""
    return (
        f"No model {name!r}: not a name that `persam models` lists, not a file or folder here "
        f"({Path(name).expanduser().absolute()}), not a hub id (owner/name).{hint} {hub.WAYS_ON}"
    )
