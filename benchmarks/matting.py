"""Measure soft edges on drawn scenes whose alpha is known, and on photos of 12 megapixels.

    python benchmarks/matting.py [--json benchmarks/matting.json]

The scenes are those of tests/drawn_alpha.py: hair, fur and glass before a textured ground. The mask
that is given has cells as coarse as the built-in model's, a ninety-sixth of the side; the band is a
sixteenth of the side wide on each side of its edge, as far as the strands reach. Colours are
compared where the object covers 10 to 90 % of a pixel. The seconds are of one thread, without the
first call, which loads pymatting.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import numpy as np
import typer

import persam
from persam.evaluation.benchmark import environment
from persam.io.cutouts import CutoutStyle, make_cutout
from persam.io.matting import make_matte, make_trimap

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import drawn_alpha

SIDES = (160, 480, 1200)
PHOTO = (3000, 4000)


def accuracy(kind: str, side: int) -> dict[str, Any]:
    """Mean absolute errors of alpha in the band and of colours at the edge, 0..1."""
    scene = drawn_alpha.draw(kind, side, fine=2 if side > 1000 else 4)
    mask = scene.coarse(max(1, side // 96))
    trimap = make_trimap(mask, side / 16)
    band = trimap == 128
    matte = make_matte(scene.image, trimap)
    edge = band & (scene.alpha > 0.1) & (scene.alpha < 0.9)
    errors = {
        "hard mask": np.abs(mask - scene.alpha)[band].mean(),
        "soft": np.abs(matte.alpha - scene.alpha)[band].mean(),
        "colours of the photo": _difference(scene.image, scene.colour, edge),
        "colours estimated": _difference(matte.colours, scene.colour, edge),
    }
    return {"scene": kind, "side": side} | {n: round(float(e), 4) for n, e in errors.items()}


def _difference(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    return float(np.abs(one[where].astype(float) - other[where]).mean() / 255)


def seconds(kind: str) -> dict[str, Any]:
    """Of one cut-out at 12 megapixels, the object 1,600 pixels across."""
    scene = drawn_alpha.draw(kind, PHOTO[0], fine=2)
    wide = ((0, 0), (0, PHOTO[1] - PHOTO[0]))
    image = np.pad(scene.image, (*wide, (0, 0)), mode="reflect")
    mask = np.pad(scene.coarse(PHOTO[1] // 96), wide)
    began, worked = perf_counter(), process_time()
    make_cutout(image, mask, CutoutStyle())
    return {
        "scene": kind,
        "megapixels": 12,
        "seconds": round(perf_counter() - began, 2),
        "CPU seconds": round(process_time() - worked, 2),
    }


def main(out: Annotated[Path | None, typer.Option("--json")] = None) -> None:
    make_cutout(*_small(), CutoutStyle())
    facts = {
        "version": persam.__version__,
        "accuracy": [accuracy(kind, side) for side in SIDES for kind in drawn_alpha.KINDS],
        "time": [seconds(kind) for kind in drawn_alpha.KINDS],
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2) + "\n")


def _small() -> tuple[np.ndarray, np.ndarray]:
    scene = drawn_alpha.draw("fur", 64)
    return scene.image, scene.mask


if __name__ == "__main__":
    typer.run(main)
