"""Measure the doctor: does it name a bad reference, leave good ones alone, and choose well?

    python benchmarks/doctor.py DATA [--model pocket] [--json FILE]

DATA is in PerSeg's layout with five photos an object. Bad references are made of good ones: the
mask the wrong way round, or a photo and mask of the next object. The album's photos are those that
are no references; a suggestion is good where the concept of all references does badly in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer
from references import Keeping

import persam
from persam.album.reference_check import bad_ones, doubts, examine
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.evaluation.datasets import Subject
from persam.metrics import iou

COUNTS = (3, 4, 5)


def usable(subject: Subject) -> bool:
    """Whether every mask leaves some background, so that it can be a reference."""
    return not any(photo.read()[1].all() for photo in subject.photos)


def shown(subject: Subject, number: int, *, inverted: bool = False) -> persam.Reference:
    image, mask = subject.photos[number].read()
    return persam.Reference(image, mask=~mask if inverted else mask)


def tried(backbone: Keeping, subject: Subject, other: Subject) -> np.ndarray:
    """``(9, 9)`` agreement of five good references, three inverted masks, and another object."""
    good = [shown(subject, number) for number in range(5)]
    wrong = [shown(subject, count - 1, inverted=True) for count in COUNTS]
    return examine(backbone, [*good, *wrong, shown(other, 0)]).agreement


def named(agreements: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """How often the last reference, which is bad, is named, and how often a good one is."""
    rows = []
    for count in COUNTS:
        last = count - 1
        for kind, bad in {"none": last, "inverted mask": last + 3, "another object": 8}.items():
            numbers = [*range(last), bad]
            suspects = [bad_ones(pairs[np.ix_(numbers, numbers)]) for pairs in agreements]
            allowed = set() if kind == "none" else {last}
            caught = fmean(last in found for found in suspects)
            wrong = fmean(not set(found) <= allowed for found in suspects)
            rows.append({"references": count, "bad": kind, "named": caught, "wrong": wrong})
    return rows


def suggested(backbone: Keeping, subjects: Sequence[Subject]) -> dict[str, float]:
    """IoU of two references' concept in the photo to label next, and in all three of the album."""
    chosen, whole, worst = [], [], []
    for subject in subjects:
        diagnosis = examine(backbone, [shown(subject, 0), shown(subject, 1)])
        album = {photo.image: photo.read() for photo in subject.photos[2:]}
        ious = {
            path: iou(diagnosis.together.segment(image).mask, mask)
            for path, (image, mask) in album.items()
        }
        chosen.append(ious[doubts(diagnosis, list(album))[0].photo])
        whole.append(fmean(ious.values()))
        worst.append(min(ious.values()))
    return {"chosen": fmean(chosen), "album": fmean(whole), "worst": fmean(worst)}


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    backbone = Keeping(persam.load(model))
    subjects = [one for one in datasets.perseg(data).subjects if usable(one)]
    others = [*subjects[1:], subjects[0]]
    agreements = [tried(backbone, *pair) for pair in zip(subjects, others, strict=True)]
    rows, choice = named(agreements), suggested(backbone, subjects)
    typer.echo("| references | bad one | named | a good one named |\n| --- | --- | --- | --- |")
    for row in rows:
        share = "-" if row["bad"] == "none" else f"{row['named']:.1%}"
        typer.echo(f"| {row['references']} | {row['bad']} | {share} | {row['wrong']:.1%} |")
    typer.echo(f"IoU of two references together: {choice}")
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        found = {**facts, "objects": len(subjects), "bad": rows, "next": choice}
        out.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
