"""Are masks the same where a large photo is looked at on a reduced scale?

    python benchmarks/reduced_scale.py DATA [--every 6] [--megapixels 12]

DATA is in PerSeg's layout; its photos are enlarged to so many megapixels and written as JPEG. Every
photo is searched for its object as albums do it (24 megapixels are looked at as they are), and at
half and a quarter of its pixels, which JPEGs are decoded to quickly. Prints the IoU with the mask
at full scale, and processor seconds for reading and searching.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Annotated

import numpy as np
import typer
from PIL import Image

import persam
from persam.album.targets import AlbumTarget
from persam.evaluation import datasets
from persam.io.images import read_reduced
from persam.io.picture_bytes import PictureBytes
from persam.metrics import iou

SCALES = (1, 2, 4)


def enlarged(photo: Path, pixels: float) -> PictureBytes:
    """A photo of so many pixels, as a JPEG."""
    with Image.open(photo) as image:
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = round(image.width * factor), round(image.height * factor)
        file = BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    return PictureBytes(photo.name, file.getvalue())


def searched(
    target: AlbumTarget, photo: PictureBytes, pixels: float
) -> Iterator[tuple[np.ndarray, float]]:
    """Mask and seconds at each of :data:`SCALES`."""
    for scale in SCALES:
        began = process_time()
        read = read_reduced(photo, round(pixels / scale) + 10_000)  # sides were rounded
        embedding = replace(target.backbone.encode(read.pixels), image=read.pixels)
        answer = target.predict(embedding).at((read.height, read.width))
        yield answer.labels > 0, process_time() - began


def main(
    data: Path,
    every: Annotated[int, typer.Option(help="Each so many objects.")] = 6,
    megapixels: Annotated[float, typer.Option()] = 12.0,
) -> None:
    """See the file's own text."""
    backbone, found = persam.load("pocket"), []
    for subject in list(datasets.open_dataset("perseg", data).subjects)[::every]:
        shown = subject.reference
        concept = persam.personalize(backbone, shown.image, mask=shown.mask)
        photo = enlarged(Path(subject.targets[0].image), megapixels * 1e6)
        found.append(list(searched(AlbumTarget.of(concept), photo, megapixels * 1e6)))
    typer.echo("| pixels | mean IoU | lowest | processor, s |\n| --- | --- | --- | --- |")
    for number, scale in enumerate(SCALES):
        same = [iou(row[number][0], row[0][0]) for row in found]
        seconds = fmean(row[number][1] for row in found)
        typer.echo(f"| 1/{scale} | {fmean(same):.4f} | {min(same):.4f} | {seconds:.2f} |")


if __name__ == "__main__":
    typer.run(main)
