"""Measure what more objects in one run cost: an album searched for one object and for ten.

    python benchmarks/many_concepts.py DATA [--count 10] [--rounds 7] [--json FILE]

DATA is in PerSeg's layout. The album is the later photos of the objects, so that every photo shows
one of them, as albums do. Runs alternate in one process on one thread; the medians are compared.
Each run reads, encodes, segments and writes all photos. Also measured: all objects in every photo,
for which presence is not asked (`--min-presence 0`), so that every decoder call is paid.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer

import persam
from persam.album.run import segment_album
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.concept import Concept


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
    torch.set_num_threads(1)
    backbone = persam.load(model, device="cpu")
    dataset = datasets.open_dataset("perseg", data)
    step = max(1, len(dataset.subjects) // count)
    subjects = list(dataset.subjects)[::step][:count]
    concepts = {
        subject.name: persam.personalize(
            backbone, subject.photos[0].image, mask=subject.photos[0].mask
        )
        for subject in subjects
    }
    photos = [Path(photo.image) for subject in subjects for photo in subject.photos[1:3]]
    first = next(iter(concepts.values()))
    ways = {"one": first, f"{len(concepts)} objects": concepts}
    always = unsure(concepts)
    found = compare(ways, photos, rounds)
    present = next(iter(always.values()))
    paid = {"one": present, f"{len(concepts)} objects": always}
    found_always = compare(paid, photos, max(3, rounds // 2))
    facts = {
        "model": model,
        "version": persam.__version__,
        "objects": list(concepts),
        "photos": len(photos),
        "rounds": rounds,
        "skipping the absent": found,
        "never absent": found_always,
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
