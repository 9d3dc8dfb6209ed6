"""Measure the loop over an album: against its encoder, against its cache, and in memory.

    python benchmarks/album.py DATA [--photos 500] [--rounds 3] [--json benchmarks/album.json]

DATA is in PerSeg's layout; its photos are copied under new names until there are enough. Runs that
are compared take turns, and the quickest of several rounds counts, since other work may share the
machine; seconds of the processor are given beside those of the clock. Prints Markdown.
"""

from __future__ import annotations

import json
import resource
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import torch
import typer
from lib.speed import every_map
from transformers import SamConfig, SamModel

import persam
from persam.album.embedding_cache import Cache
from persam.album.run import LoaderOptions, segment_album
from persam.concept import Concept
from persam.evaluation.benchmark import environment
from persam.io.images import read_image
from persam.models.sam import SamBackbone

SIZES = (1, 2, 4, 8)
SAMPLE = 32  # photos that the encoder alone is timed with


@dataclass(frozen=True)
class Took:
    """Seconds of the clock and of the processor."""

    wall: float
    cpu: float

    @classmethod
    def of(cls, work: Callable[[], Any]) -> Took:
        wall, cpu = perf_counter(), process_time()
        work()
        return cls(perf_counter() - wall, process_time() - cpu)


def quickest(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Took]:
    """The least seconds of each work, which take turns."""
    found = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(Took.of(work))
    return {
        name: Took(min(one.wall for one in took), min(one.cpu for one in took))
        for name, took in found.items()
    }


def album_of(data: Path, count: int, folder: Path) -> list[Path]:
    """Copies of the data's photos, round and round, each under a name of its own."""
    sources = cycle(sorted((data / "Images").glob("*/*.jpg")))
    photos = [folder / f"{number:05}.jpg" for number in range(count)]
    for source, photo in zip(islice(sources, count), photos, strict=True):
        shutil.copy(source, photo)
    return photos


def learnt(data: Path, backbone: Any, number: int) -> Concept:
    """A concept of one of the data's objects."""
    picture = sorted((data / "Images").glob("*/00.jpg"))[number]
    mask = data / "Annotations" / picture.parent.name / "00.png"
    return persam.personalize(backbone, picture, mask=mask)


def against_encoder(concept: Concept, photos: list[Path], rounds: int) -> dict[str, Any]:
    """The loop's seconds, and those of the encoder alone in its best batches."""
    images = [read_image(photo) for photo in photos[:SAMPLE]]

    def encode(size: int) -> None:
        for start in range(0, len(images), size):
            every_map(concept.backbone.encode_batch(images[start : start + size]))

    def loop(loader: LoaderOptions) -> None:
        with tempfile.TemporaryDirectory() as out:
            segment_album(concept, photos, out, loader=loader)

    paces = {"one by one": LoaderOptions(1, 0), "auto": LoaderOptions()}
    works = {f"encoder {size}": lambda size=size: encode(size) for size in SIZES}
    encode(1)
    took = quickest(works | {name: lambda p=p: loop(p) for name, p in paces.items()}, rounds)
    each = {size: took[f"encoder {size}"] for size in SIZES}
    scale = len(photos) / len(images)
    wall, cpu = (min(getattr(one, kind) for one in each.values()) for kind in ("wall", "cpu"))
    least = Took(scale * wall, scale * cpu)
    rows = {
        name: {
            "seconds": took[name].wall,
            "ratio": took[name].wall / least.wall,
            "cpu_seconds": took[name].cpu,
            "cpu_ratio": took[name].cpu / least.cpu,
        }
        for name in paces
    }
    per_photo = {size: one.wall / len(images) for size, one in each.items()}
    return {"photos": len(photos), "encoder_seconds_a_photo": per_photo, "paces": rows}


def against_cache(concepts: tuple[Concept, Concept], photos: list[Path]) -> dict[str, Any]:
    """Seconds of a first concept, which fills the cache, and of a second, which reads it."""
    seconds, written = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, concept in enumerate(concepts):
            loader = LoaderOptions(cache=Cache(Path(folder) / "cache"))
            album = concept, photos, Path(folder) / str(number)
            seconds.append(Took.of(lambda a=album, p=loader: segment_album(*a, loader=p)))
        for suffix in ("match", "safetensors"):
            files = Path(folder, "cache").glob(f"*/*.{suffix}")
            written.append(sum(path.stat().st_size for path in files))
    first, second = seconds
    return {
        "photos": len(photos),
        "first_seconds": first.wall,
        "second_seconds": second.wall,
        "times_faster": first.wall / second.wall,
        "times_faster_cpu": first.cpu / second.cpu,
        "match_bytes_a_photo": written[0] / len(photos),
        "whole_bytes_a_photo": written[1] / len(photos),
    }


def peak_of_memory(concept: Concept, photos: list[Path]) -> dict[str, float]:
    """Largest resident memory in MB, after a fifth of the photos and after all."""
    found = {}
    for count in (len(photos) // 5, len(photos)):
        with tempfile.TemporaryDirectory() as out:
            segment_album(concept, photos[:count], out, loader=LoaderOptions(4, 2))
        found[str(count)] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return found


def main(
    data: Path,
    photos: int = 500,
    rounds: int = 3,
    large: Annotated[int, typer.Option(help="Photos for the model of ViT-B's shape.")] = 8,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    pocket = persam.load("pocket", device="cpu")
    torch.manual_seed(0)
    vit_b = SamBackbone("ViT-B's shape", SamModel(SamConfig()))
    with tempfile.TemporaryDirectory() as folder:
        album = album_of(data, photos, Path(folder))
        once = album[: len(list((data / "Images").glob("*/*.jpg")))]
        concepts = learnt(data, pocket, 0), learnt(data, pocket, 7)
        everywhere = concepts[0].with_choices(min_presence=0.0)
        found = {
            "memory_mb": peak_of_memory(concepts[0], album),
            "pocket": against_encoder(concepts[0], album, rounds),
            "pocket, object in every photo": against_encoder(everywhere, album[:100], rounds),
            "cache, pocket": against_cache(concepts, once),
            "cache, ViT-B's shape": against_cache(
                (learnt(data, vit_b, 0), learnt(data, vit_b, 7)), album[:large]
            ),
        }
    typer.echo("| | loader | seconds | by the encoder's | of the processor |\n|" + " --- |" * 5)
    for name in ("pocket", "pocket, object in every photo"):
        for loader, row in found[name]["paces"].items():
            ratios = f"{row['ratio']:.2f} | {row['cpu_ratio']:.2f}"
            typer.echo(f"| {name} | {loader} | {row['seconds']:.1f} | {ratios} |")
    for name in ("cache, pocket", "cache, ViT-B's shape"):
        row = found[name]
        typer.echo(f"{name}: second object {row['times_faster']:.1f} times faster")
    typer.echo(f"memory in MB: {found['memory_mb']}")
    if out is not None:
        facts = {"version": persam.__version__, "threads": torch.get_num_threads()}
        facts |= {"environment": environment(), **found}
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
