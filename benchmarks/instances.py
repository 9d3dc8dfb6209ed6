"""Measure whether instances are told apart: how many are found, and which.

    python benchmarks/instances.py DATA [--json benchmarks/instances.json]

DATA is in PerSeg's layout. Each object is learnt from its first photo and looked for in its second:
as it is, and with a second object pasted in, that is the object itself (of its third photo),
another one of its class, or one of another class. Right is to find one alone and beside another
class, two beside itself and beside a look-alike, which persam.Concept.segment_instances counts,
too. An instance is right where its mask has an IoU of at least 0.5 with the truth.
The weights in persam/pipeline/instances.py were chosen on the objects at even places; those at odd
ones are the test. The depth of a valley (basins.py) was compared on all. Photos may show
look-alikes of their own, which count as wrong here.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import typer
from lib.montage import add_lookalike, cut_out
from lib.presence import area_under_roc

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.metrics import iou
from persam.pipeline import instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from persam.concept import Concept
    from persam.evaluation.datasets import Subject
    from persam.structures import Embedding

RIGHT = 0.5
ANSWERS = 6  # of the decoder, whose signs are compared
WANTED = {"alone": 1, "itself": 2, "same class": 2, "other class": 1}  # instances


def kind(subject: Subject) -> str:
    return subject.name.rpartition("_")[0]


def other(subjects: Sequence[Subject], subject: Subject, *, same: bool) -> Subject:
    """The next object of the same class, or of another."""
    start = subjects.index(subject)
    order = [*subjects[start + 1 :], *subjects[:start]]
    return next(one for one in order if (kind(one) == kind(subject)) == same)


def pictures(
    subjects: Sequence[Subject], subject: Subject
) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """What is in the picture, the picture, and the masks that are to be found."""
    image, truth = subject.photos[1].read()
    yield "alone", image, [truth]
    pasted = {
        "itself": subject.photos[2],
        "same class": other(subjects, subject, same=True).photos[1],
        "other class": other(subjects, subject, same=False).photos[1],
    }
    for name, photo in pasted.items():
        montage = add_lookalike(image, truth, cut_out(*photo.read()))
        if montage is not None:
            yield name, montage.image, [montage.truth, montage.lookalike][: WANTED[name]]


def further(
    concept: Concept, embedding: Embedding, truths: Sequence[np.ndarray]
) -> Iterator[tuple[dict[str, float], bool]]:
    """Signs of some decoder answers after the first, and whether each shows a second instance."""
    whole = concept.locate(embedding)
    asked = list(islice(instances.candidates(concept, embedding, whole), ANSWERS))
    shown = [hits(one.mask, truths) for one in asked]
    for number in range(1, len(asked)):
        new = len(truths) > 1 and bool(shown[number] - set().union(*shown[:number]))
        yield instances.signs_of(asked[number], asked[0]), new


def hits(mask: np.ndarray, truths: Sequence[np.ndarray]) -> set[int]:
    """Which of the truths a mask is right for."""
    return {number for number, truth in enumerate(truths) if iou(mask, truth) >= RIGHT}


def told_apart(answers: Sequence[tuple[dict[str, float], bool]]) -> dict[str, Any]:
    """Area under the ROC curve of every sign."""
    rights = [signs for signs, right in answers if right]
    wrongs = [signs for signs, right in answers if not right]
    areas = {
        name: round(area_under_roc([s[name] for s in rights], [s[name] for s in wrongs]), 3)
        for name in answers[0][0]
    }
    return {"answers": len(answers), "right": len(rights), "area under the ROC": areas}


def summary(counted: Sequence[tuple[int, int, int]]) -> dict[str, float]:
    """Of pictures with so many found, right and wanted instances."""
    return {
        "pictures": len(counted),
        "mean found": round(fmean(found for found, _, _ in counted), 2),
        "right number": round(fmean(found == wanted for found, _, wanted in counted), 3),
        "all of them right": round(fmean(right == wanted for _, right, wanted in counted), 3),
        "right of the wanted": round(
            sum(right for _, right, _ in counted) / sum(wanted for *_, wanted in counted), 3
        ),
    }


def main(
    data: Path,
    *,
    model: Annotated[str, typer.Option()] = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    torch.set_num_threads(1)
    backbone = persam.load(model, device="cpu")
    subjects = list(datasets.open_dataset("perseg", data).subjects)
    rows: dict[str, dict[str, list[tuple[int, int, int]]]] = {
        half: {name: [] for name in WANTED} for half in ("chosen on", "test")
    }
    answers: list[tuple[dict[str, float], bool]] = []
    for place, subject in enumerate(subjects):
        shown, half = subject.photos[0], "test" if place % 2 else "chosen on"
        concept = persam.personalize(backbone, shown.image, mask=shown.mask)
        for name, image, truths in pictures(subjects, subject):
            embedding = backbone.encode(image)
            found = concept.segment_instances(embedding)
            right = set().union(*(hits(one.mask, truths) for one in found))
            rows[half][name].append((len(found), len(right), len(truths)))
            if half == "test":
                answers += further(concept, embedding, truths)
    both = {name: [*rows["chosen on"][name], *rows["test"][name]] for name in WANTED}
    facts = {
        "model": model,
        "version": persam.__version__,
        "instances": {
            half: {name: summary(counted) for name, counted in kinds.items()}
            for half, kinds in (rows | {"all": both}).items()
        },
        "signs of a further instance, test": told_apart(answers),
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
