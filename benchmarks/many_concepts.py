"""Measure what more objects in one run cost: an album searched for one object and for ten.

    python benchmarks/many_concepts.py DATA [--count 10] [--rounds 7] [--json FILE]

DATA is in PerSeg's layout. The album is the later photos of the objects (forty at most), so that
every photo shows one of them, as albums do. Where more objects are asked for than there are,
further references of them are further objects. Runs alternate in one process; the medians are
compared. Each run reads, encodes, segments and writes all photos. Also measured for ten or fewer:
all objects in every photo, for which presence is not asked (`--min-presence 0`), so that every
decoder call is paid; and each photo searched for the one object that it shows, which is what any
number of objects costs at least. Processor seconds stand beside those of the clock, for machines on
which other programs run. "Side by side" albums are gone through as on a GPU: the next photo is
encoded while the objects of this one are looked for in threads. Linux only.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import persam
from persam.album.run import LoaderOptions, segment_album
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.evaluation.datasets import Subject
    from persam.models.base import Backbone

FEW, MOST = 10, 40  # objects that are also looked for in every photo; photos of an album


class Search(NamedTuple):
    """What is looked for in which photos, and whether as on a GPU."""

    concepts: Any
    photos: Sequence[Path]
    side_by_side: bool | None = None


def timed(searches: Sequence[Search]) -> tuple[float, float]:
    """Seconds of one run, by the clock and of the processor."""
    clock = processor = 0.0
    for one in searches:
        loader = LoaderOptions(side_by_side=one.side_by_side)
        with tempfile.TemporaryDirectory() as folder:
            began = perf_counter(), process_time()
            summary = segment_album(one.concepts, one.photos, folder, loader=loader)
            clock, processor = (
                clock + perf_counter() - began[0],
                processor + process_time() - began[1],
            )
        if summary.failed:
            raise SystemExit(f"{len(summary.failed)} photos failed: {summary.failed[0].error}")
    return clock, processor


def compare(ways: Mapping[str, Sequence[Search]], rounds: int) -> dict[str, Any]:
    """Median seconds a photo of each way, and how many times the first's."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for first, *_ in ways.values():
        timed([first._replace(photos=first.photos[:2])])
    for _ in range(rounds):
        for name, searches in ways.items():
            seconds[name].append(timed(searches))
    found = {}
    for name, searches in ways.items():
        count = sum(len(one.photos) for one in searches)
        found[name] = [median(each) / count for each in zip(*seconds[name], strict=True)]
    one = next(iter(found.values()))
    return {
        name: {
            "milliseconds_a_photo": round(1000 * clock, 1),
            "times_the_first": round(clock / one[0], 3),
            "processor_milliseconds_a_photo": round(1000 * processor, 1),
            "processor_times_the_first": round(processor / one[1], 3),
        }
        for name, (clock, processor) in found.items()
    }


def unsure(concepts: Mapping[str, Concept]) -> dict[str, Concept]:
    """The same concepts, never absent."""
    return {name: concept.with_choices(min_presence=0.0) for name, concept in concepts.items()}


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
    later = [(subject.name, photo.image) for subject in subjects for photo in subject.photos[1:3]]
    album = later[:: -(-len(later) // MOST)]
    photos = [Path(photo) for _, photo in album]
    first = next(iter(concepts.values()))
    several = f"{len(concepts)} objects"
    ways = {"one": [Search(first, photos)], several: [Search(concepts, photos)]}
    peaks = {"one": peak_of(first, photos)}
    peaks[several] = peak_of(concepts, photos)
    facts = {
        "model": model,
        "version": persam.__version__,
        "engine": backbone.engine,
        "objects": list(concepts),
        "photos": len(photos),
        "rounds": rounds,
        "skipping the absent": compare(ways, rounds),
        "peak megabytes": peaks,
    }
    if count <= FEW:
        always = unsure(concepts)
        sure = always[next(iter(always))]
        paid = {"one": [Search(sure, photos)], several: [Search(always, photos)]}
        facts["never absent"] = compare(paid, max(3, rounds // 2))
        own = [
            Search(concept, [Path(photo) for shown, photo in album if shown == name])
            for name, concept in concepts.items()
        ]
        shown = {"one": ways["one"], "the object that a photo shows": own}
        beside = {
            f"{name}, side by side": [one._replace(side_by_side=True) for one in searches]
            for name, searches in ways.items()
        }
        facts["side by side"] = compare({**ways, **beside}, max(3, rounds // 2))
        facts["what is there alone"] = compare(shown, max(3, rounds // 2))
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
    timed([Search(concepts, photos)])
    status = Path("/proc/self/status").read_text()  # ru_maxrss may be the parent's
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    typer.run(main)
