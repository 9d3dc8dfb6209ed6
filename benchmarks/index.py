"""An album's index beside the full search: bytes a photo, seconds, and what is lost by it.

    python benchmarks/index.py DATA [--teachers 240] [--synthetic 100000]
                               [--json benchmarks/index.json]

DATA is in PerSeg's layout; every object is learnt from its first photo and looked for in all
others, by the index (``persam index``) and by all cells (``persam find``): the area under the ROC
curve of presence over all pairs of object and photo, and which photos are above the threshold.
"Checked" are the photos that ``persam find --index --check`` opens. Synthetic descriptors are the
album's own codes shuffled, in parts as an album has them. Codes are learnt from the first photos of
an index: with ``--teachers 120`` from those of the first 24 objects, and all others are then new.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated, Any

import numpy as np
import typer
from lib.presence import area_under_roc

import persam
from persam.album.index import PART, index_album
from persam.album.index_parts import IndexParts, facts_in, index_files, read_index
from persam.album.index_search import MARGIN, candidates, search_index
from persam.album.search import Hit
from persam.concept import Concept
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.io.images import read_image
from persam.pipeline.presence import likeness_in

Facts = dict[str, Any]


def agreement(concepts: dict[str, Concept], photos: list[Path], index: Path) -> Facts:
    """The index beside the full search."""
    backbone = next(iter(concepts.values())).backbone
    full: dict[tuple[str, str], float] = {}
    for photo in photos:
        embedding = backbone.encode(read_image(photo))
        for name, one in concepts.items():
            full[name, str(photo)] = likeness_in(embedding, one.features) or -1.0
    ours, checked = {}, set()
    for name, one in concepts.items():
        hits: tuple[Hit, ...] = search_index(one, [index])
        ours |= {(name, hit.photo): hit.presence or 0.0 for hit in hits}
        checked |= {(name, photo) for photo in candidates(one, hits)}
    pairs = [pair for pair in full if not _is_reference(pair[1])]
    own = np.array([Path(photo).parent.name == name for name, photo in pairs])
    calibrations = {name: one.calibration for name, one in concepts.items()}
    every = np.array([calibrations[n].presence(full[n, p]) for n, p in pairs])  # type: ignore[union-attr]
    by_index = np.array([ours[pair] for pair in pairs])
    opened = np.array([pair in checked for pair in pairs])
    least = next(iter(concepts.values())).variant.min_presence
    areas = {
        "all cells": area_under_roc(every[own].tolist(), every[~own].tolist()),
        "index": area_under_roc(by_index[own].tolist(), by_index[~own].tolist()),
    }
    above, found = every >= least, by_index >= least
    return {
        "pairs": len(pairs),
        "area under the curve": areas | {"lost": areas["all cells"] - areas["index"]},
        "photos above the threshold": int(above.sum()),
        "of these above it by the index, too": float(found[above].mean()),
        "above it by the index alone, of these": float((found & ~above).sum() / above.sum()),
        "margin of checking, in likeness": MARGIN,
        "of these opened by --check": float(opened[above].mean()),
        "opened by --check, of all": float(opened.mean()),
        "right photos above the threshold": float(above[own].mean()),
        "right photos above it by the index": float(found[own].mean()),
        "right photos opened by --check": float(opened[own].mean()),
    }


def _is_reference(photo: str) -> bool:
    return Path(photo).stem == "00"


def synthetic(index: Path, place: Path, count: int) -> None:
    """An index of many descriptors: rows of codes of a real one, its cells shuffled."""
    facts = facts_in(index_files(index)[0])
    groups = len(facts.codes.examples)  # type: ignore[union-attr]
    columns = [rows[0] for part in index_files(index) for rows in read_index(part, ["cells"])]
    every = [one for column in columns for one in column if one is not None]
    pool = np.concatenate([np.frombuffer(one, np.uint8).reshape(-1, groups) for one in every])
    cells, chance = len(every[0]) // groups, np.random.default_rng(0)
    place.mkdir()
    parts = IndexParts(place, facts)
    for start in range(0, count, PART):
        size = min(PART, count - start)
        chosen = pool[chance.integers(0, len(pool), (size, cells))]
        row = {"error": None, "size": 1, "mtime_ns": 1, "sha256": "0" * 64}
        rows = [
            row | {"photo": f"/album/{start + n:09d}.jpg", "cells": one.tobytes()}
            for n, one in enumerate(chosen)
        ]
        parts.write(rows)


def learn(data: Path) -> tuple[dict[str, Concept], list[Path]]:
    """All objects, and all photos."""
    backbone, concepts, photos = persam.load(), {}, []
    for subject in datasets.open_dataset("perseg", data).subjects:
        shown = subject.photos[0]
        concepts[subject.name] = persam.personalize(backbone, shown.image, mask=shown.mask)
        photos += [photo.image.absolute() for photo in subject.photos]
    return concepts, photos


def ranking(concept: Concept, index: Path, count: int) -> Facts:
    """Seconds to rank an index."""
    began = process_time()
    search_index(concept, [index])
    spent = process_time() - began
    return {
        "photos": count,
        "cells of the object": len(concept.features.foreground),
        "bytes a photo on disk": sum(one.stat().st_size for one in index.iterdir()) / count,
        "processor seconds": spent,
        "extrapolated: processor seconds for a million": spent * 1_000_000 / count,
    }


def main(
    data: Path,
    teachers: int = 240,
    synthetic_photos: Annotated[int, typer.Option("--synthetic")] = 100_000,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Index, compare, and rank many."""
    concepts, photos = learn(data)
    one = next(iter(concepts.values()))
    facts: Facts = {"data": data.name, "version": persam.__version__, "photos": len(photos)}
    with TemporaryDirectory() as folder:
        index, many = Path(folder) / "index", Path(folder) / "many"
        began = process_time()
        for some in (photos[:teachers], photos[teachers:]):
            index_album(one.backbone, some, index)
        facts["processor seconds a photo to index"] = (process_time() - began) / len(photos)
        facts["photos that the codes are learnt from"] = min(teachers, len(photos))
        parts = index_files(index)
        columns = [cells for part in parts for (cells,) in read_index(part, ["cells"])]
        (codes,) = {len(one) for column in columns for one in column}
        facts |= {"model": str(one.backbone.spec), "bytes of codes a photo": codes}
        facts |= agreement(concepts, photos, index)
        synthetic(index, many, synthetic_photos)
        facts["ranking"] = ranking(one, many, synthetic_photos)
    facts["environment"] = environment()
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
