"""Measure what more than one mask is worth: references, corrections, rivals, points on parts.

    python benchmarks/references.py DATA [--model pocket] [--only NAME]... [--json FILE]

DATA is in PerSeg's layout with five photos an object, its objects named <class>_<number>. Every
photo is encoded once. mIoU is PerSeg's: pixels pooled over an object's photos, mean over objects.
Prints Markdown tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from lib.lookalikes import evaluate_lookalikes, next_of_kind, next_of_other_kind

import persam
from persam.concept import Concept
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.evaluation.datasets import Dataset, Photo, Subject
from persam.evaluation.reference_prompts import deepest_point
from persam.metrics import Overlap, overlap, pooled
from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import Embedding
from persam.variants import Variant

METHODS = {"persam": persam.personalize, "persam-f": persam.finetune}
LATER = (3, 4)  # photos that are never a reference


class Keeping(WrappedBackbone):
    """Encodes a picture once and keeps all."""

    def __init__(self, backbone: Any) -> None:
        super().__init__(backbone)
        self.kept: dict[tuple[tuple[int, ...], bytes], Embedding] = {}

    def encode_batch(self, images: Sequence[np.ndarray]) -> list[Embedding]:
        keys = [(image.shape, image.tobytes()) for image in images]
        for key, image in zip(keys, images, strict=True):
            if key not in self.kept:
                self.kept[key] = super().encode_batch([image])[0]
        return [self.kept[key] for key in keys]


@dataclass(frozen=True)
class Bench:
    backbone: Keeping
    data: Dataset


def look(concept: Concept, photos: Iterable[Photo]) -> list[Overlap]:
    """What is found in photos, against the truth."""
    found = []
    for photo in photos:
        image, truth = photo.read()
        found.append(overlap(concept.segment(image).mask, truth))
    return found


def miou(found: Iterable[list[Overlap]]) -> float:
    return 100 * float(np.mean([pooled(areas).iou for areas in found]))


def shown(subject: Subject, count: int) -> list[persam.Reference]:
    return [persam.Reference(photo.image, mask=photo.mask) for photo in subject.photos[:count]]


def references(bench: Bench) -> list[dict[str, Any]]:
    """The same photos, the fourth and fifth, with one to three references."""
    rows = []
    for method, learn in METHODS.items():
        for count in (1, 2, 3):
            found = (
                look(learn(bench.backbone, shown(s, count)), [s.photos[n] for n in LATER])
                for s in bench.data.subjects
            )
            rows.append({"method": method, "references": count, "miou": miou(found)})
    return rows


def parts(bench: Bench) -> list[dict[str, Any]]:
    """One reference, with and without points on parts, by the model's recipe and by SAM's."""
    rows = []
    for method, learn in METHODS.items():
        for recipe in dict.fromkeys((bench.backbone.recipe, "default")):
            own = Variant.named(recipe, method)  # pyright: ignore[reportArgumentType]
            for count in (0, 3, 5, 8):
                variant = replace(own, parts=count)
                concepts = (
                    (learn(bench.backbone, shown(s, 1), variant=variant), s)
                    for s in bench.data.subjects
                )
                found = miou(look(concept, s.targets) for concept, s in concepts)
                default = own.parts == count
                row = {"method": method, "recipe": recipe, "parts": count, "default": default}
                rows.append(row | {"miou": found})
    return rows


def corrections(bench: Bench) -> list[dict[str, Any]]:
    """The worst of an object's photos is corrected by its mask or by a click; then the others."""
    rows = []
    for method, learn in METHODS.items():
        found: dict[str, list[list[Overlap]]] = {"before": [], "mask": [], "click": []}
        refused = 0
        for subject in bench.data.subjects:
            concept = learn(bench.backbone, shown(subject, 1))
            targets = list(subject.targets)
            before = look(concept, targets)
            worst = min(range(len(targets)), key=lambda n: pooled([before[n]]).iou)
            corrected = targets.pop(worst)
            before.pop(worst)
            found["before"].append(before)
            found["mask"].append(
                look(concept.correct(corrected.image, mask=corrected.mask), targets)
            )
            click = deepest_point(corrected.read()[1])
            try:
                better = concept.correct(corrected.image, points=[click])
            except persam.InputError:  # the model took nothing, or everything, for the object
                better, refused = concept, refused + 1
            found["click"].append(look(better, targets))
        for how, areas in found.items():
            row = {"method": method, "corrected": how, "miou": miou(areas)}
            rows.append(row | {"refused": refused if how == "click" else 0})
    return rows


def beside(bench: Bench) -> list[dict[str, Any]]:
    """Two objects in a picture; which one is taken, with the other shown as a rival or not."""
    rows = []
    kinds = {"a look-alike": next_of_kind, "another object": next_of_other_kind}
    for method, learn in METHODS.items():
        for name, other in kinds.items():
            for warned in (False, True):
                report = evaluate_lookalikes(
                    learn, bench.backbone, bench.data, beside=other, warned=warned
                )
                row = {"method": method, "beside": name, "warned": warned}
                row |= {"right": report.right, "miou": 100 * report.miou}
                rows.append(row | {"pictures": len(report.choices)})
    return rows


FIGURES: dict[str, Callable[[Bench], list[dict[str, Any]]]] = {
    "references": references,
    "parts": parts,
    "corrections": corrections,
    "beside": beside,
}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(rows[0])} |", f"|{' --- |' * len(rows[0])}"]
    for row in rows:
        cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    data: Path,
    model: str = "pocket",
    only: Annotated[list[str] | None, typer.Option()] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every figure, or those named, and print its table."""
    unknown = sorted(set(only or ()) - set(FIGURES))
    if unknown:
        raise typer.BadParameter(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}.")
    bench = Bench(Keeping(persam.load(model)), datasets.perseg(data))
    found = {}
    for name in only or FIGURES:
        found[name] = FIGURES[name](bench)
        typer.echo(f"## {name}\n\n{table(found[name])}\n")
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "figures": found}, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
