"""What a second look costs and gives: `--quality fast`, the recipe's own way, and `--quality best`.

    python benchmarks/quality.py DATA [--model pocket] [--json benchmarks/quality.json]

DATA is in PerSeg's layout; every object is learnt from its first photo and looked for in the
others. IoU pools an object's pixels over its photos, boundary IoU is the mean over them, both then
the mean over objects; seconds are the processor's, a photo from its array to its mask, of one
thread.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import typer

import persam
from persam.cli.model_args import with_quality
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.metrics import boundary_overlap, overlap, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept
    from persam.evaluation.datasets import Subject
    from persam.metrics import Overlap

WAYS: dict[str, Literal["fast", "best"] | None] = {
    "--quality fast": "fast",
    "default": None,
    "--quality best": "best",
}
RIGHT = 0.5


def measure(learnt: Sequence[tuple[Subject, Concept]]) -> dict[str, Any]:
    """The four figures of one way, over all photos but the references."""
    ious, boundaries, photos, seconds = [], [], [], 0.0
    for subject, concept in learnt:
        areas: list[Overlap] = []
        edges: list[float] = []
        for photo in subject.targets:
            image, truth = photo.read()
            began = process_time()
            found = concept.segment(image).mask
            seconds += process_time() - began
            areas.append(overlap(found, truth))
            edges.append(boundary_overlap(found, truth).iou)
        ious.append(pooled(areas).iou)
        boundaries.append(fmean(edges))
        photos += [area.iou for area in areas]
    return {
        "mIoU": round(100 * fmean(ious), 1),
        "boundary IoU": round(100 * fmean(boundaries), 1),
        "photos below an IoU of 0.5": round(fmean(iou < RIGHT for iou in photos), 3),
        "processor seconds a photo": round(seconds / len(photos), 4),
    }


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    torch.set_num_threads(1)
    backbone = persam.load(model, device="cpu")
    learnt = [
        (one, persam.personalize(backbone, one.reference.image, mask=one.reference.mask))
        for one in datasets.perseg(data).subjects
    ]
    learnt[0][1].segment(learnt[0][0].targets[0].read()[0])  # the first call prepares the engine
    facts: dict[str, Any] = {"model": model, "version": persam.__version__, "photos": 0}
    facts["photos"] = sum(len(subject.targets) for subject, _ in learnt)
    facts["ways"] = {}
    for name, quality in WAYS.items():
        asked = [(one, with_quality(concept, quality)) for one, concept in learnt]
        facts["ways"][name] = measure(asked)
        typer.echo(f"{name}: {facts['ways'][name]}")
    facts["environment"] = environment()
    if out is not None:
        out.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
