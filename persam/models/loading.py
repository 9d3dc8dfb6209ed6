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
from persam.models.runtime.choice import (
    ENGINES,
    PACKAGES,
    PRECISIONS,
    RuntimeChoice,
    require,
    require_torch,
)
from persam.models.runtime.devices import choose_device, choose_precision, resolved_precision
from persam.models.runtime.exported_metadata import EXPORTED
from persam.models.suggestions import meant
from persam.structures import ModelSpec

if TYPE_CHECKING:
    from persam.models.base import Backbone


__all__ = ["ENGINES", "PRECISIONS", "choose_device", "choose_precision", "load", "locate"]

_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_FILES = (".pth", ".pt", ".safetensors", ".bin", ".ckpt")


def load(  # noqa: PLR0913 - three models in one, and three ways to run them
    name: str | Path | ModelSpec = registry.POCKET,
    *,
    match_with: str | Path | None = None,
    plugin: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    engine: str = "auto",
) -> Backbone:
    """Load a model, ready to use.

    Args:
        name: one of, in this order: a name of the catalogue (``"pocket"``, ``"sam-vit-huge"``,
            ``"facebook/sam-vit-huge"``, see ``persam models``); a folder that transformers saved,
            or that ``persam export`` wrote; a ``.pth``, ``.pt`` or ``.safetensors`` file with
            official SAM, SAM-HQ or MobileSAM tensors; any hub id, ``"owner/name"`` or
            ``"owner/name@commit"``. A ``Path`` is always a file or folder. A
            :class:`~persam.structures.ModelSpec`, as a concept file has it, says ``match_with``
            and ``plugin`` itself.
        match_with: a DINOv2 or DINOv3 model that objects are compared by instead of the model's own
            features: a hub id (``"facebook/dinov2-large"``) or a folder that transformers saved.
        plugin: a Stable-SAM plugin for the decoder: a file that ``persam train stable`` wrote, or
            ``"pocket-stable"``.
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

    Example:
        >>> import persam
        >>> model = persam.load("pocket", device="cpu", precision="fp32")
        >>> (model.name, model.device, model.precision)
        ('pocket', 'cpu', 'fp32')
    """
    if isinstance(name, ModelSpec):
        _check_alone(name, match_with, plugin)
        name, match_with, plugin = name.name, name.match_with, name.plugin
    asked = RuntimeChoice(engine, precision)
    if plugin is not None:
        require_torch("A Stable-SAM plugin")
        if asked.wished().engine == "auto" and name == registry.POCKET:
            # The networks of the package have no layers that a plugin could hang in.
            asked = RuntimeChoice("torch", precision)
    if match_with is None:
        backbone = _load(name, device, asked)
    else:
        backbone = _load_matched(name, match_with, device, asked)
    if plugin is None:
        return backbone
    from persam.models.stable_sam.backbone import stabilize

    return stabilize(backbone, plugin)


def _check_alone(spec: ModelSpec, match_with: object, plugin: object) -> None:
    if match_with is not None or plugin is not None:
        raise InputError(
            f"A model specification says itself what the model is matched with and which plugin it "
            f"has ({spec}); leave match_with= and plugin= out."
        )


def _load_matched(
    name: str | Path, match_with: str | Path, device: str, asked: RuntimeChoice
) -> Backbone:
    """A model whose pictures are compared by another model's features."""
    require_torch("A model to match with")
    from persam.models.dinov2 import MatchedBackbone, load_matcher

    # None of the catalogue's models is one to match with: said before anything is downloaded.
    folder = None if registry.find(str(match_with)) else locate(match_with)
    place = choose_device(device)
    kind = resolved_precision(asked.wished().precision, place)
    matcher = load_matcher(folder, str(match_with), device=place, precision=kind)
    return MatchedBackbone(_load(name, device, asked), matcher)


def _load(name: str | Path, device: str, asked: RuntimeChoice) -> Backbone:
    entry = None if isinstance(name, Path) else registry.find(name)
    if entry is not None and entry.name == registry.POCKET:
        return _load_pocket(device, asked)
    folder = Path(name).expanduser()
    if entry is None and (folder / EXPORTED).exists():
        from persam.models.runtime.exported import load_exported

        place = "cpu" if device == "auto" else device
        return load_exported(folder, str(name), device=place, choice=asked)
    require_torch(f"The model {name}")  # before anything is downloaded
    from persam.models.files import load_path

    found = locate(name) or folder  # of all models the built-in one alone has no place
    return load_path(found, str(name), device=choose_device(device)).run_by(asked)


def _load_pocket(device: str, asked: RuntimeChoice) -> Backbone:
    """The built-in model: the networks of the package where they are what was asked for."""
    from persam.models.runtime.builtin_networks import load_packaged, runs_packaged

    if runs_packaged(device, asked.wished()):
        return load_packaged(asked.wished())
    if asked.wished().engine in PACKAGES:
        require(asked.wished().engine, run=device in ("auto", "cpu"))
    require_torch("The built-in model by torch")
    from persam.models.pocket.backbone import load_pocket

    return load_pocket(device=choose_device(device)).run_by(asked)


def locate(name: str | Path) -> Path | None:
    """Find the file or folder behind a model's name, downloading it if need be.

    Args:
        name: as for :func:`load`.

    Returns:
        A path that exists; None for the built-in model.

    Raises:
        ModelNotFound: not on this machine and not downloadable; says what was tried.

    Example:
        >>> locate("pocket") is None  # it comes with the package
        True
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
