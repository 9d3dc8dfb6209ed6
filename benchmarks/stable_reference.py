"""Measure what a Stable-SAM plugin is worth where PerSAM meets sloppy prompts: in the reference.

    python benchmarks/stable_reference.py DATA [--plugin pocket-stable] [--draws 3] [--json FILE]

DATA is in PerSeg's layout. The first photo of every object is the reference; the object is shown
in it by its mask, or by random boxes and clicks of several kinds, and is then segmented in the
other photos. The plugin is left out, put in, or put in for the reference's mask alone. mIoU is
PerSeg's, and pools the draws with an object's photos. Prints a Markdown table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from references import Keeping, look, miou, table

import persam
from persam.evaluation import datasets
from persam.evaluation.noisy_prompts import PromptKind, kinds
from persam.evaluation.reports import environment
from persam.metrics import Overlap, overlap
from persam.pipeline.reference import encode_reference
from persam.variants import Variant

if TYPE_CHECKING:
    from persam.evaluation.datasets import Subject
    from persam.models.base import Backbone


@dataclass(frozen=True)
class Way:
    """Which model makes the mask of the reference, and which one learns and looks."""

    pointed: Backbone
    used: Backbone


@dataclass(frozen=True)
class Found:
    """One object, shown once: IoU of the reference's mask, and areas in the other photos."""

    reference: float
    targets: list[Overlap]


def shown(image: np.ndarray, truth: np.ndarray, kind: PromptKind, chance: Any) -> persam.Reference:
    """The object as somebody in a hurry shows it."""
    asked = kind.draw(truth, chance)
    if asked.box is not None:
        return persam.Reference(image, box=asked.box)
    return persam.Reference(image, points=asked.points.tolist())


def once(way: Way, subject: Subject, kind: PromptKind | None, chance: Any) -> Found:
    """Show an object by one prompt (or its true mask) and segment the other photos."""
    image, truth = subject.reference.read()
    if kind is None:
        return Found(1.0, look(persam.personalize(way.used, image, mask=truth), subject.targets))
    variant = Variant.named(way.used.recipe, "persam")
    try:
        mask = encode_reference(way.pointed, shown(image, truth, kind, chance), variant).mask
    except persam.InputError:  # the model took nothing, or everything, for the object
        nothing = [photo.read()[1] for photo in subject.targets]
        return Found(0.0, [overlap(np.zeros_like(one), one) for one in nothing])
    concept = persam.personalize(way.used, image, mask=mask)
    return Found(overlap(mask, truth).iou, look(concept, subject.targets))


def figures(
    way: Way, subjects: list[Subject], kind: PromptKind | None, draws: int
) -> dict[str, float]:
    """One kind of prompt over all objects."""
    references, objects = [], []
    for number, subject in enumerate(subjects):
        found = [
            once(way, subject, kind, np.random.default_rng((number, draw))) for draw in range(draws)
        ]
        references.append(fmean(one.reference for one in found))
        objects.append([area for one in found for area in one.targets])
    return {"reference": 100 * fmean(references), "miou": miou(objects)}


def main(
    data: Path,
    plugin: str = "pocket-stable",
    draws: int = 3,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every way of showing with every way of using the plugin."""
    plain = Keeping(persam.load("pocket", device="cpu"))
    stable = persam.stabilize(plain, plugin)
    ways = {
        "without": Way(plain, plain),
        "with": Way(stable, stable),
        "for the reference alone": Way(stable, plain),
    }
    subjects = list(datasets.perseg(data).subjects)
    asked: dict[str, PromptKind | None] = {"mask": None, **kinds()}
    rows = []
    for (name, kind), (which, way) in product(asked.items(), ways.items()):
        count = draws if kind is not None and (kind.points or kind.noise) else 1
        found = figures(way, subjects, kind, count)
        rows.append({"shown by": name, "plugin": which, "draws": count, **found})
    typer.echo(table(rows))
    if out is not None:
        facts = {"model": "pocket", "plugin": Path(plugin).name, "version": persam.__version__}
        facts |= {"environment": environment(), "rows": rows}
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
