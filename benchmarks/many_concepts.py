"""Measure what more objects in one run cost: an album searched for one object and for ten.

    python benchmarks/many_concepts.py DATA [--count 10] [--rounds 7] [--json FILE]

DATA is in PerSeg's layout. The album is the later photos of the objects (forty at most), so that
every photo shows one of them, as albums do. Where more objects are asked for than there are,
further references of them are further objects. Runs alternate in one process; the medians are
compared. Each run reads, encodes, segments and writes all photos. Also measured for ten or fewer:
all objects in every photo, for which presence is not asked (`--min-presence 0`), so that every
decoder call is paid.
"""

from __future__ import annotations

import json
import resource
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

import persam
from persam.album.run import segment_album
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.concept import Concept
    from persam.evaluation.datasets import Subject
    from persam.models.base import Backbone

FEW, MOST = 10, 40  # objects that are also looked for in every photo; photos of an album


def timed(concepts: Any, photos: Sequence[Path]) -> float:
    """Seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        summary = segment_album(concepts, photos, folder)
        seconds = perf_counter() - began
    if summary.failed:
        raise SystemExit(f"{len(summary.failed)} photos failed: {summary.failed[0].error}")
    return seconds


def compare(ways: Mapping[str, Any], photos: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Median seconds a photo of each way, and how many times the first's."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for concepts in ways.values():
        timed(concepts, photos[:2])
    for _ in range(rounds):
        for name, concepts in ways.items():
            seconds[name].append(timed(concepts, photos) / len(photos))
    middle = {name: median(values) for name, values in seconds.items()}
    one = next(iter(middle.values()))
    return {
        name: {
            "milliseconds_a_photo": round(1000 * value, 1),
            "times_the_first": round(value / one, 3),
        }
        for name, value in middle.items()
    }


def unsure(concepts: Mapping[str, Concept]) -> dict[str, Concept]:
    """The same concepts, never absent."""
    return {
        name: replace(concept, variant=replace(concept.variant, min_presence=0.0))
        for name, concept in concepts.items()
    }


def main(
    data: Path,
    *,
    count: Annotated[int, typer.Option()] = 10,
    rounds: Annotated[int, typer.Option()] = 7,
    model: Annotated[str, typer.Option()] = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    backbone = persam.load(model, device="cpu")
    dataset = datasets.open_dataset("perseg", data)
    step = max(1, len(dataset.subjects) // count)
    subjects = list(dataset.subjects)[::step][:count]
    concepts = learnt(backbone, subjects, count)
    later = [Path(photo.image) for subject in subjects for photo in subject.photos[1:3]]
    photos = later[:: -(-len(later) // MOST)]
    first = next(iter(concepts.values()))
    ways = {"one": first, f"{len(concepts)} objects": concepts}
    peaks = {"one": peak_of(first, photos)}
    peaks[f"{len(concepts)} objects"] = peak_of(concepts, photos)
    facts = {
        "model": model,
        "version": persam.__version__,
        "engine": backbone.engine,
        "objects": list(concepts),
        "photos": len(photos),
        "rounds": rounds,
        "skipping the absent": compare(ways, photos, rounds),
        "peak megabytes": peaks,
    }
    if count <= FEW:
        always = unsure(concepts)
        paid = {"one": next(iter(always.values())), f"{len(concepts)} objects": always}
        facts["never absent"] = compare(paid, photos, max(3, rounds // 2))
    facts["environment"] = environment()
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


def learnt(backbone: Backbone, subjects: Sequence[Subject], count: int) -> dict[str, Concept]:
    """So many objects by name, each learnt from one photo: first of every subject the first."""
    shown = [
        (f"{subject.name} {turn}" if turn else subject.name, subject.photos[-turn])
        for turn in range(min(len(subject.photos) for subject in subjects) - 2)
        for subject in subjects
    ]
    return {
        name: persam.personalize(backbone, photo.image, mask=photo.mask)
        for name, photo in shown[:count]
    }


def peak_of(concepts: Any, photos: Sequence[Path]) -> int:
    """Megabytes that the process has held at most once such a run is over."""
    timed(concepts, photos)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    typer.run(main)
