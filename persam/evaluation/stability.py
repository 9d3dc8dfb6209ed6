"""How steady a model is under sloppy prompts: Stable-SAM's protocol.

Every object is asked for many times by each kind of prompt, each time with another error. How good
the masks are says mIoU, how good their edges Boundary IoU, and how much they are the same mask the
stability: the mean IoU of each with the union of all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from persam.errors import InputError
from persam.evaluation.noisy_prompts import NOISE, kinds
from persam.evaluation.reports import environment
from persam.io.writers import write_single
from persam.metrics import boundary, overlap
from persam.pipeline.prompted import PromptedMasks, look_closer, looks_closer
from persam.structures import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from persam.evaluation.noisy_prompts import PromptKind
    from persam.models.base import Backbone
    from persam.structures import Embedding

    Picture = tuple[np.ndarray, np.ndarray]

PIECE = 1 << 20  # pixels


@dataclass(frozen=True)
class Protocol:
    """How the prompts are drawn.

    Attributes:
        prompts: a picture and kind; the true box is the same each time and asked once.
        noise: scale of the noisy box's error.
        seed: of everything; a picture's prompts do not depend on the others.
        stretch: stretch pictures over the model's square, as HQ-SAM's evaluation does, also where
            the model keeps their aspect.
        second_look: ask again in a crop, as the model's own recipe does for clicks and boxes; not
            of stretched pictures.
    """

    prompts: int = 20
    noise: float = NOISE
    seed: int = 0
    stretch: bool = False
    second_look: bool = True

    def __post_init__(self) -> None:
        kinds(self.noise)
        if self.prompts < 1:
            raise InputError(f"Every picture is asked at least once; got {self.prompts} prompts.")


@dataclass(frozen=True)
class Steadiness:
    """One kind of prompt, or one picture of it; all in 0..1.

    Attributes:
        iou: mean over the prompts of a picture, then over pictures.
        biou: the same of Boundary IoU.
        stability: mean IoU of each mask with the union of the picture's masks.
        agreement: mean IoU of every two masks of the picture, another reading of stability.
    """

    iou: float
    biou: float
    stability: float
    agreement: float

    @classmethod
    def mean(cls, several: Iterable[Steadiness]) -> Steadiness:
        """Over pictures, or over data sets."""
        rows = [(one.iou, one.biou, one.stability, one.agreement) for one in several]
        return cls(*(fmean(column) for column in zip(*rows, strict=True)))


@dataclass(frozen=True)
class StabilityReport:
    """What was found.

    Attributes:
        sets: data set -> kind of prompt -> figures.
        pictures: how many each set has.
        settings: model, plugin and protocol.
        version: of persam.
        environment: versions of libraries, and the hardware.
    """

    sets: Mapping[str, Mapping[str, Steadiness]]
    pictures: Mapping[str, int]
    settings: Mapping[str, Any]
    version: str = field(default_factory=lambda: version("persam"))
    environment: Mapping[str, Any] = field(default_factory=environment)

    @property
    def mean(self) -> Mapping[str, Steadiness]:
        """The plain mean of the sets."""
        sets = list(self.sets.values())
        return {name: Steadiness.mean(found[name] for found in sets) for name in sets[0]}

    def markdown(self) -> str:
        """A table for every set, and one for their mean where there are several; in percent."""
        tables = dict(self.sets) | ({"mean": self.mean} if len(self.sets) > 1 else {})
        return "\n\n".join(self._table(name, rows) for name, rows in tables.items())

    def _table(self, name: str, rows: Mapping[str, Steadiness]) -> str:
        many = f", {self.pictures[name]} pictures" if name in self.pictures else ""
        lines = [
            f"| {name}{many} | mIoU | mBIoU | stability | agreement |",
            "| --- | --- | --- | --- | --- |",
        ]
        for kind, row in rows.items():
            values = (row.iou, row.biou, row.stability, row.agreement)
            lines.append(f"| {kind} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |")
        return "\n".join(lines)

    def write(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            InputError: the file cannot be written.
        """
        facts = asdict(self) | {"mean": {k: asdict(v) for k, v in self.mean.items()}}
        write_single(path, json.dumps(facts, indent=2, allow_nan=False) + "\n")


def evaluate_stability(
    backbone: Backbone,
    sets: Mapping[str, Iterable[Picture]],
    protocol: Protocol | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> StabilityReport:
    """Ask a model for every object of some data sets, again and again.

    Args:
        backbone: the model, with a plugin or without.
        sets: by name, pictures ``(H, W, 3)`` uint8 with masks ``(H, W)`` bool; read one by one.
        protocol: how the prompts are drawn.
        on_progress: called after each.

    Raises:
        InputError: no pictures, an empty mask, or one of another size than its picture.
    """
    protocol = protocol or Protocol()
    found, counts = {}, {}
    for name, pictures in sets.items():
        rows: dict[str, list[Steadiness]] = {kind: [] for kind in kinds(protocol.noise)}
        for number, (image, truth) in enumerate(pictures):
            for kind, row in _measure(backbone, image, truth, protocol, number).items():
                rows[kind].append(row)
            on_progress()
        counts[name] = len(next(iter(rows.values())))
        if not counts[name]:
            raise InputError(f"{name} has no pictures to ask for; give at least one with its mask.")
        found[name] = {kind: Steadiness.mean(each) for kind, each in rows.items()}
    return StabilityReport(found, counts, {"model": backbone.name, **asdict(protocol)})


def judge(masks: np.ndarray, truth: np.ndarray) -> Steadiness:
    """Compare the masks of one object with the truth, and with each other.

    Args:
        masks: ``(n, H, W)`` bool.
        truth: ``(H, W)`` bool.

    Example:
        >>> truth = np.array([[True, True]])
        >>> judge(np.array([[[True, True]], [[True, False]]]), truth)
        Steadiness(iou=0.75, biou=0.75, stability=0.75, agreement=0.5)
    """
    edge = boundary(truth)
    areas = masks.sum((1, 2))
    union = int(masks.any(0).sum())
    return Steadiness(
        iou=fmean(overlap(mask, truth).iou for mask in masks),
        biou=fmean(overlap(boundary(mask), edge).iou for mask in masks),
        # Every mask lies within the union, so their IoU is a ratio of areas.
        stability=float(areas.mean() / union) if union else 1.0,
        agreement=_agreement(masks.reshape(len(masks), -1)),
    )


def _agreement(masks: np.ndarray) -> float:
    """Mean IoU of every two rows of ``(n, pixels)``; 1 for a single one, and for empty ones."""
    count = len(masks)
    if count == 1:
        return 1.0
    both = np.zeros((count, count))
    # Piece by piece, as the counts of so few pixels are exact in float32 and take little memory.
    for start in range(0, masks.shape[1], PIECE):
        piece = masks[:, start : start + PIECE].astype(np.float32)
        both += piece @ piece.T
    areas = np.diag(both)
    either = areas[:, None] + areas - both
    ious = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    return float(ious[np.triu_indices(count, 1)].mean())


@torch.no_grad()
def _measure(
    backbone: Backbone, image: np.ndarray, truth: np.ndarray, protocol: Protocol, number: int
) -> dict[str, Steadiness]:
    embedding = _encode(backbone, image, stretch=protocol.stretch)
    rows = {}
    for place, (name, kind) in enumerate(kinds(protocol.noise).items()):
        chance = np.random.default_rng((protocol.seed, number, place))
        rows[name] = judge(_masks(backbone, embedding, truth, kind, (protocol, chance)), truth)
    return rows


def _encode(backbone: Backbone, image: np.ndarray, *, stretch: bool) -> Embedding:
    if not stretch:
        return replace(backbone.encode(image), image=image)
    height, width = image.shape[:2]
    side = backbone.square
    square = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    embedding = backbone.encode(np.asarray(square))
    return replace(embedding, frame=Frame(height, width, (side, side), side))


def _masks(
    backbone: Backbone,
    embedding: Embedding,
    truth: np.ndarray,
    kind: PromptKind,
    drawing: tuple[Protocol, np.random.Generator],
) -> np.ndarray:
    """``(n, H, W)`` bool: the single masks of n prompts of one kind."""
    protocol, chance = drawing
    count = protocol.prompts if kind.points or kind.noise else 1
    asked = [kind.draw(truth, chance) for _ in range(count)]
    answers = backbone.decode_batch([embedding] * count, asked, multimask=False)
    if protocol.second_look and looks_closer(backbone):
        both = zip(asked, answers, strict=True)
        found = [look_closer(backbone, embedding, *each) for each in both]
    else:
        found = [PromptedMasks(answer, embedding.frame) for answer in answers]
    return np.stack([one.mask(0) for one in found])
