"""Measure what the pocket model's location prior could be made of, one lever at a time.

    python benchmarks/matching.py DATA [--duts TRAIN_TAR] [--json benchmarks/matching.json]

DATA is in PerSeg's layout. No decoder is asked: a row says how often the most similar place of a
photo lies on the object, and how well likeness tells photos of the object from those of others
(area under the ROC curve). Whitening learns its statistics from a tar of training pictures.
Prints a Markdown table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from lib.presence import area_under_roc

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.io.pairs import read_pairs
from persam.pipeline import similarity
from persam.training import pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

STRIDES = {8: 0, 16: 1, 32: 2}  # place among the frozen network's outputs
WHITENING_PICTURES = 600
WHITENING_FLOOR = 0.01  # of a channel's mean variance


@dataclass(frozen=True)
class Lever:
    """One way to make the prior; the defaults are the model's own.

    Attributes:
        name: of the row.
        square: side of the input in pixels.
        weights: of each stride's features, by stride.
        contrast: of the nearest cells, beside the cosine to the mean.
        smoothing: share of the 3 x 3 mean.
        crops: sides of further views of the reference, in sides of the object's box.
        mirror: add every view's mirror image.
        whitening: power of the inverse covariance; 0 for none.
        colour: weight of a block of soft colour bins.
    """

    name: str
    square: int = 384
    weights: dict[int, float] = field(default_factory=lambda: {16: 1.0, 32: 0.7})
    contrast: float = 0.5
    smoothing: float = 0.0
    crops: tuple[float, ...] = ()
    mirror: bool = False
    whitening: float = 0.0
    colour: float = 0.0


LEVERS = (
    Lever("the model's own"),
    Lever("strides 16 and 32 alike", weights={16: 1.0, 32: 1.0}),
    Lever("stride 16 at half", weights={16: 0.5, 32: 1.0}),
    Lever("stride 16 alone", weights={16: 1.0}),
    Lever("stride 32 alone", weights={32: 1.0}),
    Lever("with stride 8 at half", weights={8: 0.5, 16: 1.0, 32: 0.7}),
    Lever("256 pixels", square=256),
    Lever("512 pixels", square=512),
    Lever("no contrast", contrast=0.0),
    Lever("contrast 1", contrast=1.0),
    Lever("contrast 2", contrast=2.0),
    Lever("smoothing 1/4", smoothing=0.25),
    Lever("smoothing 1/2", smoothing=0.5),
    Lever("mirrored reference", mirror=True),
    Lever("reference and a crop of it", crops=(3.0,)),
    Lever("reference and two crops, mirrored", crops=(3.0, 2.0), mirror=True),
    Lever("two crops, smoothing 1/2", crops=(3.0, 2.0), mirror=True, smoothing=0.5),
    Lever("whitening 1/4", whitening=0.25),
    Lever("whitening 1/2", whitening=0.5),
    Lever("whitening 1/4, two crops, smoothing 1/2", whitening=0.25, crops=(3.0, 2.0), mirror=True,
          smoothing=0.5),
    Lever("colour at 0.2", colour=0.2),
    Lever("colour at 0.4", colour=0.4),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class View:
    """A picture, and which of its pixels are the object."""

    image: np.ndarray
    mask: np.ndarray


class Eyes:
    """The frozen network, and whitening matrices for its strides."""

    def __init__(self, duts: Path | None) -> None:
        backbone: Any = persam.load("pocket")
        self.network = backbone.model.vision_encoder.mobilenet
        self.duts = duts

    @torch.no_grad()
    def strides(self, image: np.ndarray, square: int) -> tuple[torch.Tensor, ...]:
        """Strides 8, 16 and 32 of one picture, each centred."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
        laid = F.interpolate(pixels, (square, square), mode="bilinear", antialias=True)
        found = self.network(laid)[1:]
        return tuple(block - block.mean((2, 3), keepdim=True) for block in found)

    @cache  # noqa: B019  (one object lives as long as the program)
    def covariances(self) -> list[torch.Tensor]:
        """Of each stride's centred channels over training pictures."""
        if self.duts is None:
            raise typer.BadParameter("Whitening needs a tar of training pictures: --duts TAR.")
        pairs = read_pairs([self.duts])[:WHITENING_PICTURES]
        sums: list[torch.Tensor] = [torch.zeros(())] * len(STRIDES)
        for pair in pairs:
            image = (pictures.decode(pair, 384)[0].permute(1, 2, 0) * 255).byte().numpy()
            cells = [block[0].flatten(1) for block in self.strides(image, 384)]
            sums = [s + c @ c.T / c.shape[1] for s, c in zip(sums, cells, strict=True)]
        return [s / len(pairs) for s in sums]

    @cache  # noqa: B019
    def whitening(self, stride: int, power: float) -> torch.Tensor:
        """``(c, c)`` matrix that takes the spread out of a stride's strongest directions."""
        covariance = self.covariances()[STRIDES[stride]]
        values, vectors = torch.linalg.eigh(covariance / covariance.diagonal().mean())
        scale = (values.clamp(min=0) + WHITENING_FLOOR) ** -power
        return vectors @ torch.diag(scale) @ vectors.T

    def features(self, image: np.ndarray, lever: Lever) -> torch.Tensor:
        """``(d, h, w)`` unit vectors on the stride-16 grid."""
        strides = self.strides(image, lever.square)
        grid = [lever.square // 16] * 2
        blocks = []
        for stride, weight in lever.weights.items():
            block = strides[STRIDES[stride]]
            block = (
                F.interpolate(block, grid, mode="area")
                if stride < 16
                else F.interpolate(block, grid, mode="bilinear")
            )
            if lever.whitening:
                matrix = self.whitening(stride, lever.whitening)
                block = torch.einsum("ij,bjhw->bihw", matrix, block)
            blocks.append(weight * F.normalize(block, dim=1))
        if lever.colour:
            blocks.append(lever.colour * colour_bins(image, grid))
        return F.normalize(torch.cat(blocks, dim=1)[0], dim=0)


def colour_bins(image: np.ndarray, grid: list[int]) -> torch.Tensor:
    """``(1, 64, h, w)`` how near each cell's colour is to a 4 x 4 x 4 grid of colours, centred."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    colours = F.interpolate(pixels, grid, mode="area")
    axis = torch.linspace(0.125, 0.875, 4)
    bins = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).flatten(1).T
    distance = ((colours[:, None] - bins[None, :, :, None, None]) ** 2).sum(2)
    near = F.normalize(torch.exp(-distance / (2 * 0.15**2)), dim=1)
    return F.normalize(near - near.mean((2, 3), keepdim=True), dim=1)


def views(reference: View, lever: Lever) -> Iterator[View]:
    """The reference, crops of it round the object, and their mirror images."""
    rows, columns = np.nonzero(reference.mask)
    middle = np.array([rows.min() + rows.max(), columns.min() + columns.max()]) / 2
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    for factor in (None, *lever.crops):
        view = reference
        if factor is not None:
            low = np.maximum(middle - side * factor / 2 - 8, 0).astype(int)
            high = (middle + side * factor / 2 + 8).astype(int)
            part = np.s_[low[0] : high[0], low[1] : high[1]]
            view = View(reference.image[part], reference.mask[part])
        yield view
        if lever.mirror:
            yield View(view.image[:, ::-1].copy(), view.mask[:, ::-1].copy())


def object_cells(mask: np.ndarray, grid: torch.Size) -> torch.Tensor:
    """``(h, w)`` bool: cells at least half covered, else the fullest."""
    share = F.interpolate(torch.from_numpy(mask)[None, None].float(), grid, mode="area")[0, 0]
    return share >= min(0.4999, float(share.max()))


def measure(lever: Lever, subjects: dict[str, list[View]], eyes: Eyes) -> tuple[float, float]:
    """Share of first points on the object, and area under the ROC curve of likeness."""
    searched = {
        name: [eyes.features(view.image, lever) for view in photos[1:]]
        for name, photos in subjects.items()
    }
    hits, present, absent = [], [], []
    for name, photos in subjects.items():
        known = [(eyes.features(v.image, lever), v.mask) for v in views(photos[0], lever)]
        cells = [object_cells(mask, features.shape[1:]) for features, mask in known]
        pairs = [(features, inside) for (features, _), inside in zip(known, cells, strict=True)]
        means = [F.normalize(features[:, inside].mean(1), dim=0) for features, inside in pairs]
        target = F.normalize(torch.stack(means).sum(0), dim=0)
        on = torch.cat([features[:, inside].T for features, inside in pairs])
        off = torch.cat([features[:, ~inside].T for features, inside in pairs])
        for features, view in zip(searched[name], photos[1:], strict=True):
            found = similarity.cosine(features, target)
            found = found + lever.contrast * similarity.contrast(features, on, off)
            found = similarity.smooth(found, lever.smoothing)
            prior = F.interpolate(found[None, None], view.mask.shape, mode="bilinear")[0, 0]
            hits.append(bool(view.mask.flat[int(prior.argmax())]))
            present.append(_likeness(features, on))
        absent += [_likeness(searched[other][0], on) for other in subjects if other != name]
    return float(np.mean(hits)), area_under_roc(present, absent)


def _likeness(features: torch.Tensor, on: torch.Tensor) -> float:
    return float((on @ features.flatten(1)).amax(1).mean())


def main(
    data: Path,
    duts: Annotated[Path | None, typer.Option(help="Training pictures, for whitening.")] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every lever and print the table."""
    subjects = {
        subject.name: [View(*photo.read()) for photo in subject.photos]
        for subject in datasets.perseg(data).subjects
    }
    eyes, rows = Eyes(duts), []
    typer.echo("| prior | first point on the object | present or absent |")
    typer.echo("| --- | --- | --- |")
    for lever in LEVERS:
        hit, presence = measure(lever, subjects, eyes)
        typer.echo(f"| {lever.name} | {100 * hit:.1f} | {presence:.3f} |")
        rows.append({**asdict(lever), "point_hit": hit, "presence": presence})
    if out is not None:
        facts = {"version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
