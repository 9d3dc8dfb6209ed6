"""Measure presence on mixed albums: each object alone, and all objects of an album together.

    python benchmarks/albums.py DATA [--json benchmarks/albums.json]

DATA is in PerSeg's layout with five photos an object, its objects named <class>_<number>. An album
is the photos of all objects of one number and of every other class: six albums of eight objects, 40
photos each, of which 5 show the object that is looked for. It is learnt from the first of them.

"Alone" is the curve of thresholds by each object's own presence, no decoder asked; the default is
the step that costs least where a right photo lost is as bad as five wrong ones found. "Together" is
what persam.segment_objects answers, masks and all, at the default. "Look-alikes": two objects of
one class, their photos 2 to 5; right where the right one's odds are the higher.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.pipeline.comparison import ObjectSet
from persam.pipeline.multi_object import segment_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from persam.concept import Concept
    from persam.structures import Embedding

COST = 5  # wrong photos found that are as bad as one right photo lost
STEPS = tuple(round(0.05 * step, 2) for step in range(2, 17))


def kind(name: str) -> str:
    return name.rpartition("_")[0]


def albums(names: Sequence[str]) -> Iterator[list[str]]:
    """Names of the objects of each album."""
    kinds = sorted({kind(name) for name in names})
    for number in sorted({name.rpartition("_")[2] for name in names}):
        for half in (kinds[::2], kinds[1::2]):
            yield [f"{one}_{number}" for one in half if f"{one}_{number}" in names]


def shares(there: Sequence[float], away: Sequence[float], least: float) -> dict[str, float]:
    """Shares of right photos kept and of wrong photos found, and what both cost."""
    kept, false = np.array(there) >= least, np.array(away) >= least
    return {
        "kept": round(float(kept.mean()), 3),
        "false alarms": round(float(false.mean()), 3),
        "cost": int(COST * np.count_nonzero(~kept) + np.count_nonzero(false)),
    }


def alone(
    concepts: Mapping[str, Concept], seen: Mapping[tuple[str, int], Embedding]
) -> tuple[list[float], list[float]]:
    """Presence of every object in its own photos, and in the others of its album."""
    there: list[float] = []
    away: list[float] = []
    for album in albums(list(concepts)):
        for (shown, _), embedding in ((k, e) for k, e in seen.items() if k[0] in album):
            for name in album:
                presence = concepts[name].presence_in(embedding)
                (there if name == shown else away).append(presence or 0.0)
    return there, away


def together(
    concepts: Mapping[str, Concept], seen: Mapping[tuple[str, int], Embedding]
) -> dict[str, float]:
    """Shares of photos that got a mask, right ones and wrong ones; and of doubtful answers."""
    there: list[bool] = []
    away: list[bool] = []
    doubtful: list[bool] = []
    for album in albums(list(concepts)):
        objects = ObjectSet.of({name: concepts[name] for name in album})
        for (shown, _), embedding in ((k, e) for k, e in seen.items() if k[0] in album):
            for name, found in segment_set(objects, embedding).items():
                (there if name == shown else away).append(found.present)
                doubtful.append(found.doubtful)
    words = {"kept": there, "false alarms": away, "doubtful": doubtful}
    return {word: round(float(np.mean(values)), 3) for word, values in words.items()}


def lookalikes(
    concepts: Mapping[str, Concept], seen: Mapping[tuple[str, int], Embedding]
) -> dict[str, float]:
    """Share of photos of which the right one of two look-alikes has the larger share."""
    right = []
    for pair in combinations(concepts, 2):
        if kind(pair[0]) != kind(pair[1]):
            continue
        objects = ObjectSet.of({name: concepts[name] for name in pair})
        for (shown, number), embedding in seen.items():
            if shown in pair and number > 0:
                standings = objects.judge(embedding)
                right.append(max(standings, key=lambda name: standings[name].odds) == shown)
    return {"photos": len(right), "right": round(float(np.mean(right)), 3)}


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    backbone, dataset = persam.load(model), datasets.open_dataset("perseg", data)
    seen, concepts = {}, {}
    for subject in dataset.subjects:
        shown = subject.photos[0]
        concepts[subject.name] = persam.personalize(backbone, shown.image, mask=shown.mask)
        for number, photo in enumerate(subject.photos):
            image = photo.read()[0]
            seen[subject.name, number] = replace(backbone.encode(image), image=image)
    there, away = alone(concepts, seen)
    curve = {str(step): shares(there, away, step) for step in STEPS}
    facts: dict[str, Any] = {
        "model": model,
        "version": persam.__version__,
        "photos with the object": len(there),
        "photos without": len(away),
        "default": next(iter(concepts.values())).variant.min_presence,
        "cheapest": min(curve, key=lambda step: curve[step]["cost"]),
        "wrong photos as bad as one lost": COST,
        "alone, by threshold": curve,
        "together, at the default": together(concepts, seen),
        "look-alikes": lookalikes(concepts, seen),
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
