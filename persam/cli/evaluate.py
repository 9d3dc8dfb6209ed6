"""`persam evaluate`: how good a method is on pictures whose truth is known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from persam.cli.options import (
    AlphaOption,
    DeviceOption,
    MethodOption,
    ModelOption,
    PrecisionOption,
    VariantOption,
    WithoutOption,
    resolve_variant,
)
from persam.cli.screen import progress, say

if TYPE_CHECKING:
    from persam.evaluation.benchmark import Report

evaluate = typer.Typer(
    name="evaluate",
    no_args_is_help=True,
    help="Measure a method on pictures whose true masks are known.",
)


@evaluate.callback()
def _evaluate() -> None:
    pass


def perseg(
    data: Annotated[
        Path, typer.Argument(help="Folder with Images/<object>/<NN>.jpg and Annotations/ likewise.")
    ],
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    reference_index: Annotated[
        int, typer.Option("--reference-index", min=0, help="Which photo shows the object: 0 is 00.")
    ] = 0,
    objects: Annotated[
        str | None,
        typer.Option("--objects", help="Only these, with commas between. Left out: all."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report to this file.")
    ] = None,
    save_masks: Annotated[
        Path | None, typer.Option("--save-masks", help="Folder for the found masks.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say the overall numbers alone.")
    ] = False,
) -> None:
    """Score a method on a folder laid out like PerSeg.

    IoU and accuracy are pooled over the photos of an object, then averaged over objects, as the
    official script does. Boundary IoU is averaged over the photos of an object.
    """
    from persam.backbones import load
    from persam.evaluation import benchmark, datasets
    from persam.methods.persam import personalize
    from persam.methods.persam_f import finetune

    names = None if objects is None else [name.strip() for name in objects.split(",")]
    dataset = datasets.perseg(data, reference_index=reference_index, objects=names)
    backbone = load(model, device=device, precision=precision)
    recipe = resolve_variant(variant, method, without, alpha, backbone.recipe)
    learner = partial(finetune if method == "persam-f" else personalize, variant=recipe)
    with progress(dataset.photos, "Measuring", quiet=quiet) as step:
        report = benchmark.evaluate_perseg(
            learner, backbone, dataset, save_masks=save_masks, on_photo=lambda *_: step()
        )
    report = report.with_settings(precision=precision)
    if json is not None:
        report.write(json)
    if not quiet:
        Console().print(_table(report))
    say(_overall(report))


evaluate.command()(perseg)


def _table(report: Report) -> Table:
    table = Table("object", title=None)
    for title in ("IoU", "accuracy", "boundary IoU", "point hit", "photos", "seconds"):
        table.add_column(title, justify="right")
    for name, row in report.objects.items():
        shares = (f"{value:.1%}" for value in (row.iou, row.acc, row.biou, row.point_hit))
        table.add_row(name, *shares, str(len(row.photos)), f"{row.seconds:.1f}")
    return table


def _overall(report: Report) -> str:
    return (
        f"mIoU {report.miou:.2%}, mAcc {report.macc:.2%}, bIoU {report.biou:.2%}, "
        f"point hit {report.point_hit:.1%}: {len(report.objects)} objects, {report.photos} photos, "
        f"{report.seconds:.1f} s."
    )
