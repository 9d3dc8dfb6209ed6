"""Models behind one shape: a picture -> an embedding; an embedding and prompts -> mask logits.

Adapters live one family a file; this file knows how they are called and where they run. Importing
it is cheap: torch and transformers come in when a model is loaded.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from persam.backbones import catalog, hub
from persam.engines import ENGINES, PRECISIONS, Choice
from persam.engines.devices import choose_device, choose_precision, resolved_precision
from persam.errors import InputError, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch

    from persam.presence import Calibration
    from persam.structures import Embedding, Frame, Guidance, Laid, MaskLogits, Prompts

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Backbone",
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


class Backbone(Protocol):
    """What the methods need of a model.

    Attributes:
        name: what it was loaded by; stored in concepts and reports.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        recipe: which named variant ``"default"`` means for this model.
        calibration: what likeness by its matching features says about presence, where that was
            measured; None where nobody knows.
        ambiguous: whether a click may mean a part as well as the whole, so that three masks are
            asked for; False where the single mask has learnt to mean the whole.
    """

    name: str
    square: int
    mean: np.ndarray
    std: np.ndarray
    recipe: str
    calibration: Calibration | None
    ambiguous: bool

    @property
    def engine(self) -> str:
        """What runs encoder and decoder, one of ``ENGINES`` without ``"auto"``."""
        ...

    @property
    def precision(self) -> str:
        """Number format that the image encoder computes in, never ``"auto"``."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        ...

    def frame(self, height: int, width: int) -> Frame:
        """Say how a picture of this size lies in the model's square."""
        ...

    def encode(self, image: np.ndarray) -> Embedding:
        """Encode an upright ``(height, width, 3)`` uint8 RGB picture."""
        ...

    def encode_batch(self, images: Sequence[np.ndarray]) -> list[Embedding]:
        """Encode pictures of any sizes at once; as :meth:`encode` of each, but for rounding."""
        ...

    def lay(self, image: np.ndarray) -> Laid:
        """Bring an upright picture into the model's square, so that it may be encoded later.

        Safe in any thread, whatever the model does meanwhile.
        """
        ...

    def encode_laid(self, laid: Sequence[Laid]) -> list[Embedding]:
        """Encode pictures that :meth:`lay` has laid, at once."""
        ...

    @property
    def identity(self) -> str:
        """Names all that decides an embedding: weights by their contents, engine, precision."""
        ...

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Answer prompts with masks 1..3, or with mask 0 alone without ``multimask``.

        The model's own weights take no gradients; whatever else asks for them gets them.
        """
        ...

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Answer one prompt set for each embedding; all sets are of one kind, without guidance."""
        ...


def load(
    name: str | Path = catalog.POCKET,
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
        match_with: a DINOv2 model that objects are compared by instead of the model's own
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
        from persam.backbones.stable import stabilize

        name, _, plugin = name.rpartition(_STABILISED)
        place = {"device": device, "precision": precision, "engine": engine}
        return stabilize(load(name, match_with=match_with, **place), plugin)
    asked, place = Choice(engine, precision), choose_device(device)
    name, match_with = _both(name, match_with)
    if match_with is None:
        return _load(name, place, asked)
    from persam.backbones.matched import MatchedBackbone, load_matcher

    # None of the catalogue's models is one to match with: said before anything is downloaded.
    folder = None if catalog.find(str(match_with)) else locate(match_with)
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


def _load(name: str | Path, place: torch.device, asked: Choice) -> Backbone:
    found = locate(name)
    if found is None:
        from persam.backbones.pocket import load_pocket

        return load_pocket(device=place).run_by(asked)
    from persam.backbones.files import load_path

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
    entry = None if isinstance(name, Path) else catalog.find(name)
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
    known = [entry.name for entry in catalog.CATALOG]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return (
        f"No model {name!r}: not a name that `persam models` lists, not a file or folder here "
        f"({Path(name).expanduser().absolute()}), not a hub id (owner/name).{hint} {hub.WAYS_ON}"
    )
