"""Measure other ways to ask the pocket model once the location prior is known.

    python benchmarks/looks.py DATA [--model pocket] [--every 1] [--json benchmarks/looks.json]

DATA is in PerSeg's layout. Every row starts from PerSAM's default (points and prior mask, one call)
and changes how the decoder is asked, or asks again: by its own mask, in a crop round it, in the
mirror, or about several peaks of the prior. Prints a Markdown table of mIoU (pixels pooled over an
object's photos, mean over objects) and of decoder and encoder calls a photo.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer

import persam
from persam import geometry
from persam.concept import Concept
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.metrics import Overlap, overlap, pooled
from persam.pipeline import prompts
from persam.pipeline.prompts import mask_box
from persam.structures import Embedding, Prompts
from persam.training import similarity

PEAKS = 4
BESIDE = 2  # cells round a peak that count as the same peak
FAR = -10.0  # logit of what a crop does not show


@dataclass(frozen=True, eq=False)
class Look:
    """One picture, the learnt object, and the calls that were made."""

    concept: Concept
    image: np.ndarray
    calls: Counter[str]

    @cached_property
    def embedding(self) -> Embedding:
        self.calls["encoder"] += 1
        return self.concept.backbone.encode(self.image)

    @cached_property
    def prompts(self) -> Prompts:
        return self.concept.locate(self.embedding).prompts

    @cached_property
    def first(self) -> torch.Tensor:
        """``(m, m)`` logits of the default's one call."""
        return self.ask(self.prompts)

    def ask(self, prompts: Prompts, *, multimask: bool = False) -> torch.Tensor:
        """``(m, m)`` logits of the mask that the decoder believes in most."""
        return self.answer(prompts, multimask=multimask)[0]

    def answer(self, prompts: Prompts, *, multimask: bool = False) -> tuple[torch.Tensor, float]:
        self.calls["decoder"] += 1
        mask = None if prompts.mask is None else np.asarray(prompts.mask)
        asked = replace(prompts, mask=mask)
        given = self.concept.backbone.decode(self.embedding, asked, multimask=multimask)
        return torch.from_numpy(given.logits[given.best()]), float(given.iou.max())

    def whole(self, logits: torch.Tensor) -> torch.Tensor:
        """``(H, W)`` logits in original pixels."""
        return torch.from_numpy(geometry.to_original(logits[None].numpy(), self.embedding.frame)[0])

    def prior_mask(self, prior: torch.Tensor) -> np.ndarray:
        side = 4 * self.embedding.features.shape[-1]
        factor = self.concept.variant.prior_mask
        rows, columns = self.embedding.picture_cells
        standard = similarity.standardise(prior[:rows, :columns]).numpy()
        return prompts.prior_mask(standard, prior.shape, side, factor)

    def cells(self, logits: torch.Tensor) -> torch.Tensor:
        """``(h, w)`` bool: cells at least half covered by a mask."""
        grid = self.embedding.matching.shape[2:]
        return F.interpolate((logits > 0).float()[None, None], grid, mode="area")[0, 0] >= 0.5


def default(look: Look) -> torch.Tensor:
    return look.whole(look.first)


def best_of_three(look: Look) -> torch.Tensor:
    return look.whole(look.ask(look.prompts, multimask=True))


def positive_point_alone(look: Look) -> torch.Tensor:
    asked = look.prompts
    on = asked.labels == 1
    return look.whole(look.ask(Prompts(asked.points[on], asked.labels[on], mask=asked.mask)))


def points_alone(look: Look) -> torch.Tensor:
    return look.whole(look.ask(Prompts(look.prompts.points, look.prompts.labels)))


def own_logits(look: Look) -> torch.Tensor:
    asked = look.prompts
    return look.whole(look.ask(Prompts(asked.points, asked.labels, mask=look.first[None])))


def own_box(look: Look, *, keep_prior: bool) -> torch.Tensor:
    box = mask_box((look.whole(look.first) > 0).numpy())
    if box is None or box[2] - box[0] == 1 or box[3] - box[1] == 1:
        return default(look)
    if not keep_prior:
        return look.whole(look.ask(Prompts(box=box)))
    asked = look.prompts
    return look.whole(look.ask(Prompts(asked.points, asked.labels, box, asked.mask)))


def own_features(look: Look, *, share: float) -> torch.Tensor:
    """Ask again by a prior in which the first mask's own features have a share."""
    cells = look.cells(look.first)
    features = torch.from_numpy(look.embedding.matching[0])
    if not cells.any() or cells.all():
        return default(look)
    inside, outside = (
        similarity.cosine(features, F.normalize(features[:, which].mean(1), dim=0))
        for which in (cells, ~cells)
    )
    found = similarity.standardise(torch.from_numpy(look.concept.locate(look.embedding).similarity))
    mixed = (1 - share) * found + share * similarity.standardise(inside - outside)
    asked = look.prompts
    return look.whole(look.ask(Prompts(asked.points, asked.labels, mask=look.prior_mask(mixed))))


def mirrored(look: Look) -> torch.Tensor:
    other = Look(look.concept, look.image[:, ::-1].copy(), look.calls)
    return default(look) + default(other).flip(-1)


def closer(look: Look, *, sides: float) -> torch.Tensor:
    """Average with a second look at the box of the first mask, so many of its sides wide."""
    logits = default(look)
    box = mask_box((logits > 0).numpy())
    if box is None:
        return logits
    part = window(box, logits.shape, sides)
    height, width = logits[part].shape
    crop = Look(look.concept, np.ascontiguousarray(look.image[part]), look.calls)
    corner = np.array([part[1].start, part[0].start])
    points = look.prompts.points - corner
    shown = ((points >= 0) & (points < (width, height))).all(axis=1)
    if not shown.any() or height * width > 0.8 * logits.numel():
        return logits
    side = 4 * crop.embedding.features.shape[-1]
    mask = F.interpolate(logits[part][None, None], (side, side), mode="bilinear", antialias=True)
    again = crop.ask(Prompts(points[shown], look.prompts.labels[shown], mask=mask[0]))
    laid = torch.full_like(logits, FAR)
    laid[part] = crop.whole(again)
    return logits + laid


def window(
    box: tuple[int, int, int, int], shape: tuple[int, ...], sides: float
) -> tuple[slice, slice]:
    """Rows and columns of a box widened to ``sides`` times its size, at least a quarter."""
    parts = []
    for low, high, length in ((box[1], box[3], shape[0]), (box[0], box[2], shape[1])):
        half = max((high - low + 1) * sides, 0.25 * length) / 2
        middle = (low + high) / 2
        parts.append(slice(max(0, int(middle - half)), min(length, int(middle + half) + 1)))
    return parts[0], parts[1]


def several_peaks(look: Look, *, by: str) -> torch.Tensor:
    """Ask about each peak of the prior; take the mask that likeness or the estimate speaks for."""
    seen = look.concept.locate(look.embedding)
    left = similarity.standardise(torch.from_numpy(seen.similarity)).clone()
    features = torch.from_numpy(look.embedding.matching[0])
    candidates = []
    for _ in range(PEAKS):
        row, column = divmod(int(left.argmax()), left.shape[1])
        scale = np.array(look.image.shape[1::-1]) / left.shape[1]
        point = np.minimum((np.array([column, row]) + 0.5) * scale, look.image.shape[1::-1])
        points = np.vstack([point.astype(np.int64), look.prompts.points[1:]])
        logits, estimate = look.answer(Prompts(points, look.prompts.labels, mask=seen.prompts.mask))
        cells = look.cells(logits)
        like = -1.0
        if cells.any():
            inside = similarity.unit_vectors(features, cells)
            like = float((look.concept.features.foreground @ inside.numpy().T).max(axis=1).mean())
        score = {"likeness": like, "estimate": estimate, "both": like + 0.3 * estimate}[by]
        candidates.append((score, len(candidates), logits))
        left[
            max(0, row - BESIDE) : row + BESIDE + 1, max(0, column - BESIDE) : column + BESIDE + 1
        ] = FAR
        left[cells] = FAR
    return look.whole(max(candidates)[2])


ROWS: dict[str, Callable[[Look], torch.Tensor]] = {
    "default": default,
    "best of three masks by the estimate": best_of_three,
    "positive point alone, with the prior mask": positive_point_alone,
    "points alone": points_alone,
    "again, by its own logits": own_logits,
    "again, by prior mask and the first mask's box": partial(own_box, keep_prior=True),
    "again, by the first mask's box alone": partial(own_box, keep_prior=False),
    "again, the first mask's features a third of the prior": partial(own_features, share=0.33),
    "again, the first mask's features two thirds": partial(own_features, share=0.67),
    "with the mirror image": mirrored,
    "closer, 1.4 times the box": partial(closer, sides=1.4),
    "closer, 2 times the box": partial(closer, sides=2.0),
    "four peaks, by the estimate": partial(several_peaks, by="estimate"),
    "four peaks, by likeness": partial(several_peaks, by="likeness"),
    "four peaks, by both": partial(several_peaks, by="both"),
}


def measure(concepts: list[tuple[Any, Concept]], way: Callable[[Look], torch.Tensor]) -> dict:
    """MIoU and calls a photo of one way to ask."""
    calls: Counter[str] = Counter()
    photos, ious = 0, []
    for subject, concept in concepts:
        areas: list[Overlap] = []
        for photo in subject.targets:
            image, truth = photo.read()
            found = way(Look(concept, image, calls)) > 0
            areas.append(overlap(found.numpy(), truth))
            photos += 1
        ious.append(pooled(areas).iou)
    return {"miou": float(np.mean(ious))} | {name: n / photos for name, n in calls.items()}


def main(
    data: Path,
    model: str = "pocket",
    every: Annotated[int, typer.Option(help="Take every so many objects.")] = 1,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every way and print the table."""
    backbone = persam.load(model)
    concepts = [
        (s, persam.personalize(backbone, s.reference.image, mask=s.reference.mask))
        for s in datasets.perseg(data).subjects[::every]
    ]
    typer.echo("| asked | mIoU | decoder calls | encoder calls |")
    typer.echo("| --- | --- | --- | --- |")
    rows = []
    for name, way in ROWS.items():
        found = measure(concepts, way)
        rows.append({"asked": name, **found})
        counts = f"{found['decoder']:.1f} | {found['encoder']:.1f}"
        typer.echo(f"| {name} | {100 * found['miou']:.1f} | {counts} |")
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
