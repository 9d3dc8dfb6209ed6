"""Measure persam on a GPU: albums beside the encoder's own rate, the fit, memory, agreement.

    python benchmarks/bench_gpu.py [--models vit-b,vit-l,vit-h] [--photos 256] [--rounds 3]
                                   [--json benchmarks/gpu.json]
    python benchmarks/bench_gpu.py --dry-run

Needs nothing beside the repository and torch: the models are of the official sizes with random
weights (shapes.py), the photos those that come with the package. ``--dry-run`` goes through
everything with a tiny model on the CPU, and its numbers mean nothing. Each row says the engine and
precision that ran; masks of random weights are noise, whose edges exaggerate every difference, so
beside them stands the pocket model, whose weights are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from bench_setting import Setting, describe
from lib.speed import every_map
from rounds import HEAD, Row, Timing, side_by_side

import persam
from persam import samples
from persam.album.loop import LoaderOptions
from persam.album.run import Output, segment_album
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.io.images import read_image
from persam.methods.fit import fit
from persam.methods.persam import learn
from persam.methods.persam_f import lesson
from persam.metrics import iou
from persam.pipeline.reference import Reference, encode_reference
from persam.structures import unit_length
from persam.variants import Variant

ENGINES = ("torch", "compile")
BATCHES = (1, 4, 8, 16, 32)
LOADERS = {
    "album": LoaderOptions(side_by_side=True),
    "album, photo after photo": LoaderOptions(side_by_side=False),
}
OF_THE_ENCODER, FIT_SECONDS, IOU, COSINE = 0.85, 0.3, 0.99, 0.999


@dataclass(frozen=True)
class Gpu:
    """Where and on what it is measured."""

    setting: Setting
    device: str
    count: int

    def load(self, model: str, **choices: Any) -> Any:
        """A model on the device; what is not said persam chooses."""
        return persam.load(self.setting.named(model), device=self.device, **choices)

    def done(self, work: Callable[[], object]) -> Callable[[], None]:
        """The work, and waiting until the device has finished it."""

        def run() -> None:
            work()
            if self.device == "cuda":
                torch.cuda.synchronize()

        return run

    def timed(self, work: Callable[[], object], rounds: int) -> Timing:
        """Seconds of every round, the device's work included."""
        return side_by_side({"it": self.done(work)}, rounds)["it"]


def rows(gpu: Gpu, model: str) -> Iterator[Row]:
    """All rows of one model."""
    for engine in ENGINES[: 1 if gpu.device == "cpu" else None]:  # compiling wants a compiler there
        yield from _rate(gpu, model, gpu.load(model, engine=engine))
    yield _fit(gpu, model)
    for precision in ("bf16", "fp16"):
        yield from _agreement(gpu, model, precision)


def _rate(gpu: Gpu, model: str, backbone: Any) -> Iterator[Row]:
    """Photos a second of the encoder alone, at its best batch, and of an album with it."""
    setting, facts = gpu.setting, {"model": model, **describe(backbone)}
    said = f"{model} ({facts['engine']}, {facts['precision']})"
    photos = setting.own_photos(gpu.count, "photos")
    shown = setting.subject.reference
    concept = persam.personalize(backbone, shown.image, mask=shown.mask)
    laid = backbone.preprocess(read_image(photos[0]))
    alone: dict[int, float] = {}
    for batch in (size for size in BATCHES if size <= gpu.count):
        encode = gpu.timed(
            lambda same=[laid] * batch: every_map(backbone.encode_preprocessed(same)),
            setting.rounds,
        )
        alone[batch] = batch / encode.best
    _forget_peak(gpu)
    output = Output(setting.folder / "masks", overwrite=True)
    works = {
        words: gpu.done(partial(segment_album, concept, photos, output, loader=loader))
        for words, loader in LOADERS.items()
    }
    albums = side_by_side(works, setting.rounds)
    rates = {words: len(photos) / album.best for words, album in albums.items()}
    best = max(alone.values())
    facts |= {"photos": len(photos), "encoder_by_batch": alone}
    facts |= {words: asdict(album) for words, album in albums.items()}
    yield Row(f"{said}: encoder alone, photos a second", best, detail=facts)
    for words, rate in rates.items():
        yield Row(f"{said}: {words}, photos a second", rate, detail=facts)
    share = rates["album"] / best
    yield Row(f"{said}: album of the encoder's rate", share, OF_THE_ENCODER, detail=facts)
    yield Row(f"{said}: peak memory, GB", _peak(gpu), detail=facts)


def _fit(gpu: Gpu, model: str) -> Row:
    """Seconds of PerSAM-F's fit once the reference is encoded."""
    backbone, shown = gpu.load(model), gpu.setting.subject.reference
    recipe = replace(Variant.named("official", "persam-f"), fit="fast")
    reference = encode_reference(backbone, Reference(shown.image, mask=shown.mask), recipe)
    concept = learn(backbone, [reference], recipe)
    timing = gpu.timed(
        lambda: fit([lesson(concept, reference)], "fast"), max(5, gpu.setting.rounds)
    )
    facts = {**describe(backbone), "times": asdict(timing)}
    said = f"{model}: PerSAM-F's fit, seconds"
    return Row(said, timing.best, FIT_SECONDS, True, timing.typical, detail=facts)


def _agreement(gpu: Gpu, model: str, precision: str) -> Iterator[Row]:
    """Masks' IoU and embeddings' cosine with fp32, over the photos that come with the package."""
    low, full = (gpu.load(model, engine="torch", precision=kind) for kind in (precision, "fp32"))
    shown, cosines, ious = gpu.setting.subject.reference, [], []
    concepts = [persam.personalize(b, shown.image, mask=shown.mask) for b in (low, full)]
    for photo in gpu.setting.subject.targets:
        image = read_image(photo.image)
        ours, theirs = (concept.backbone.encode(image) for concept in concepts)
        cells = [unit_length(np.moveaxis(one.features[0], 0, -1)) for one in (ours, theirs)]
        cosines.append(float((cells[0] * cells[1]).sum(axis=-1).mean()))
        pair = zip(concepts, (ours, theirs), strict=True)
        ious.append(iou(*(concept.segment_embedding(seen).mask for concept, seen in pair)))
    said, facts = f"{model} ({precision})", {"photos": len(ious), "lowest": min(ious)}
    yield Row(f"{said}: embeddings' cosine with fp32", min(cosines), COSINE, detail=facts)
    trained = model == "pocket"
    goal = IOU if trained else None
    yield Row(f"{said}: masks' mean IoU with fp32", fmean(ious), goal, detail=facts)


def _forget_peak(gpu: Gpu) -> None:
    if gpu.device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak(gpu: Gpu) -> float:
    return torch.cuda.max_memory_allocated() / 1e9 if gpu.device == "cuda" else 0.0


def main(
    models: str = "vit-b,vit-l,vit-h,pocket",
    photos: int = 256,
    rounds: int = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="A tiny model on the CPU.")] = False,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every row and print the table."""
    if not dry_run and not torch.cuda.is_available():
        raise typer.BadParameter("there is no GPU here that torch can use; --dry-run needs none.")
    names, found = (["vit-b"] if dry_run else models.split(",")), []
    count, rounds = (2, 1) if dry_run else (photos, rounds)
    typer.echo(HEAD)
    with TemporaryDirectory(prefix="persam-bench-") as folder:
        dataset = datasets.perseg(samples.PICTURES)
        setting = Setting(dataset, Path(folder), rounds, quick=dry_run)
        gpu = Gpu(setting, "cpu" if dry_run else "cuda", count)
        for model in names:
            for row in rows(gpu, model):
                typer.echo(str(row))
                found.append(row)
    if out is not None:
        facts = {"version": persam.__version__, "environment": environment(), "dry_run": dry_run}
        report = {**facts, "rows": [row.facts() for row in found]}
        out.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
