"""Write the annotated photos that training never sees as pictures with one mask each.

    python benchmarks/scenes.py TAR OUT
    persam evaluate stability OUT --model pocket

TAR is one of annotated photos (`persam/training/annotated.py` says what it holds, and which hundred
of its pictures are held out). Of each, one or two things that cover 1 to 50 % of the picture are
taken, those whose SHA-256 of "<picture>/<number>" comes first: OUT/<picture>-<number>.jpg and .png.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import typer
from PIL import Image

from persam.training.annotated import read_annotated

if TYPE_CHECKING:
    from persam.training.annotated import Annotated

THINGS = 2
SMALLEST, LARGEST = 0.01, 0.5


def things(photo: Annotated, numbers: np.ndarray) -> list[int]:
    """The numbers of the things that are asked for."""
    share = np.bincount(numbers.ravel(), minlength=256) / numbers.size
    fitting = [number for number in photo.labels if SMALLEST <= share[number] <= LARGEST]

    def order(number: int) -> str:
        return hashlib.sha256(f"{photo.name}/{number}".encode()).hexdigest()

    return sorted(fitting, key=order)[:THINGS]


def main(tar: str, out: str) -> None:
    """Write the things of a tar's held-out pictures to a folder."""
    from pathlib import Path

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for photo in read_annotated([Path(tar)], left_out=True):
        image, numbers = photo.read()
        for number in things(photo, numbers):
            stem = folder / f"{photo.name}-{number:03d}"
            image.save(stem.with_suffix(".jpg"), quality=95)
            Image.fromarray(((numbers == number) * 255).astype(np.uint8)).save(
                stem.with_suffix(".png")
            )
            written += 1
    typer.echo(f"{written} things")


if __name__ == "__main__":
    typer.run(main)
