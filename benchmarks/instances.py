"""Measure whether instances are told apart: how many are found, and which.

    python benchmarks/instances.py DATA [--which 2 --which 3] [--json benchmarks/instances.json]

DATA is in PerSeg's layout, its objects named <class>_<number>; those of the numbers are taken. Each
is learnt from its first photo and looked for in its second: as it is, and with a second object
pasted in, that is the object itself (of its third photo), another one of its class, or one of
another class. An instance is right where its mask has an IoU of at least 0.5 with the truth.
The thresholds of persam/instances.py were chosen on the objects of number 1; 2 and 3 are the test.
Photos may show look-alikes of their own, which count as wrong here.
"""

from __future__ import annotations

import json
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

RIGHT = 0.5
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
    concept: Concept, image: np.ndarray, truths: Sequence[np.ndarray]
) -> Iterator[tuple[dict[str, float], bool]]:
    """Signs of five decoder answers after the first, and whether each shows the second instance."""
    embedding = concept.backbone.encode(image)
    seen = concept.locate(embedding)
    free = torch.ones_like(seen.similarity, dtype=torch.bool)
    first, before = None, np.zeros(image.shape[:2], dtype=bool)
    for _ in range(6):
        answer = instances._ask(concept, embedding, seen)
        if answer is None or not bool(free.any()):
            return
        new = 1 - np.count_nonzero(answer.mask & before) / np.count_nonzero(answer.mask)
        if first is None:
            first = answer
        else:
            signs = {
                "score": answer.score / first.score,
                "likeness": answer.likeness / first.likeness,
                "not seen before": new,
            }
            hit = len(truths) > 1 and any(iou(answer.mask, truth) >= RIGHT for truth in truths)
            yield signs, hit and new >= 1 - instances.MOST_SEEN
        before |= answer.mask
        free &= ~instances._taken(answer.mask, seen, embedding)
        seen = instances._look_elsewhere(concept, embedding, seen, free)


def told_apart(answers: Sequence[tuple[dict[str, float], bool]]) -> dict[str, Any]:
    """Area under the ROC curve of every sign."""
    rights = [signs for signs, right in answers if right]
    wrongs = [signs for signs, right in answers if not right]
    areas = {
        name: round(area_under_roc([s[name] for s in rights], [s[name] for s in wrongs]), 3)
        for name in answers[0][0]
    }
    return {"answers": len(answers), "right": len(rights), "area under the ROC": areas}


def main(
    data: Path,
    *,
    which: Annotated[list[str], typer.Option()] = ["2", "3"],  # noqa: B006
    model: Annotated[str, typer.Option()] = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    torch.set_num_threads(1)
    backbone = persam.load(model, device="cpu")
    subjects = list(datasets.open_dataset("perseg", data).subjects)
    rows: dict[str, list[tuple[int, int, int]]] = {name: [] for name in WANTED}
    answers: list[tuple[dict[str, float], bool]] = []
    for subject in subjects:
        if subject.name.rpartition("_")[2] not in which:
            continue
        shown = subject.photos[0]
        concept = persam.personalize(backbone, shown.image, mask=shown.mask)
        for name, image, truths in pictures(subjects, subject):
            found = concept.segment_instances(image)
            right = sum(any(iou(one.mask, truth) >= RIGHT for one in found) for truth in truths)
            rows[name].append((len(found), right, len(truths)))
            answers += further(concept, image, truths)
    table: dict[str, Any] = {}
    for name, counted in rows.items():
        table[name] = {
            "pictures": len(counted),
            "mean found": round(fmean(found for found, _, _ in counted), 2),
            "right number": round(fmean(found == wanted for found, _, wanted in counted), 3),
            "all of them right": round(fmean(right == wanted for _, right, wanted in counted), 3),
            "right of the wanted": round(
                sum(right for _, right, _ in counted) / sum(wanted for *_, wanted in counted), 3
            ),
        }
    facts = {
        "model": model,
        "version": persam.__version__,
        "which": which,
        "instances": table,
        "signs of a further instance": told_apart(answers),
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
