"""`persam demo`: the main job on pictures that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.table import Table

from persam.cli.console import progress, say, show
from persam.cli.model_args import DeviceOption, EngineOption, ModelOption, PrecisionOption
from persam.variants import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.album.run import Summary
    from persam.evaluation.datasets import Photo, Subject
    from persam.models.base import Backbone

METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class Outcome:
    """What one method did on the samples: its album, and the IoU of each photo by stem."""

    method: Method
    album: Summary
    ious: dict[str, float]


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the sample pictures and the results.")
    ] = Path("persam-demo"),
    model: ModelOption = "pocket",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Show one plush dog once, and find it in six other pictures.

    Pictures and their true masks come with the package, so nothing is downloaded and the score of
    every mask can be told. Both methods run.
    """
    from persam import samples
    from persam.evaluation import datasets
    from persam.models.loading import load

    samples.copy(out / "samples")
    subject = datasets.perseg(out / "samples").subjects[0]
    backbone = load(model, device=device, precision=precision, engine=engine)
    say(f"Shown once: {subject.reference.image} with its mask. Model: {backbone.name}.")
    with progress(len(METHODS) * len(subject.targets), "Looking") as step:
        outcomes = [_find(method, backbone, subject, out, step) for method in METHODS]
    show(_table(subject.targets, outcomes))
    say(_where(out, outcomes))
    if any(outcome.album.failed for outcome in outcomes):
        raise typer.Exit(1)


def _find(
    method: Method, backbone: Backbone, subject: Subject, out: Path, step: Callable[[], None]
) -> Outcome:
    from persam.album.run import Output, segment_album
    from persam.methods.persam import personalize
    from persam.methods.persam_f import finetune

    learn = finetune if method == "persam-f" else personalize
    concept = learn(backbone, subject.reference.image, mask=subject.reference.mask)
    output = Output(out / method, save=frozenset({"masks", "cutouts", "overlays", "sheet"}))
    photos = [photo.image for photo in subject.targets]
    album = segment_album(concept, photos, output, on_progress=lambda _: step())
    found = {Path(one.input).stem: one.mask(output.folder) for one in album.records if one.output}
    ious = {
        photo.stem: _iou(found[photo.stem], photo)
        for photo in subject.targets
        if photo.stem in found
    }
    return Outcome(method, album, ious)


def _iou(found: Path, photo: Photo) -> float:
    from persam.io.masks import read_mask
    from persam.io.picture_file import picture_size
    from persam.metrics import iou

    size = picture_size(photo.image)
    mask, truth = (read_mask(path, size, usable=False) > 0 for path in (found, photo.mask))
    return iou(mask, truth)


def _table(targets: Sequence[Photo], outcomes: Sequence[Outcome]) -> Table:
    table = Table("photo")
    for outcome in outcomes:
        table.add_column(f"IoU, {outcome.method}", justify="right")
    for photo in targets:
        table.add_row(photo.image.name, *(_percent(o.ious.get(photo.stem)) for o in outcomes))
    return table


def _percent(share: float | None) -> str:
    return "failed" if share is None else f"{share:.1%}"


def _where(out: Path, outcomes: Sequence[Outcome]) -> str:
    sheets = "\n".join(f"  {outcome.album.sheet}" for outcome in outcomes)
    return (
        f"Cut-outs, overlays and masks are in {out}. Open in a browser:\n{sheets}\n"
        f"Now your own: persam segment --reference dog.jpg --mask dog.png PHOTOS --out results"
    )
