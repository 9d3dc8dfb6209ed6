"""`persam evaluate`: how good a method is on pictures whose truth is known."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from persam.cli.choice import choose, refuse, typed_options
from persam.cli.options import (
    AlphaOption,
    AnyMethodOption,
    DeviceOption,
    MatchOption,
    ModelOption,
    PrecisionOption,
    VariantOption,
    WithoutOption,
)
from persam.cli.screen import complain, progress, say
from persam.errors import InputError

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report

# What decides how predictions are made, and so is settled once they are there.
_MAKING = (
    "method",
    "model",
    "match_with",
    "variant",
    "without",
    "alpha",
    "out",
    "save_masks",
    "device",
    "precision",
)


def evaluate(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A data set that `persam datasets` lists.")
    ],
    data: Annotated[Path, typer.Argument(help="Its folder, as `persam datasets` says.")],
    method: AnyMethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    variant: VariantOption = "default",
    without: WithoutOption = None,
    alpha: AlphaOption = None,
    reference_index: Annotated[
        int,
        typer.Option(
            "--reference-index", min=0, help="PerSeg: which photo shows the object: 0 is 00."
        ),
    ] = 0,
    objects: Annotated[
        str | None,
        typer.Option("--objects", help="PerSeg: only these, with commas between. Left out: all."),
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option("--folds", help="Only these folds: 0 or 0,2. Left out: all that there are."),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option("--episodes", min=1, help="So many a fold, not as many as the protocol has."),
    ] = None,
    original_size: Annotated[
        bool,
        typer.Option(
            "--original-size",
            help="Bring what was found at the square to the pictures' own size to be scored.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the predictions; the same command goes on where it stopped."
        ),
    ] = None,
    score_only: Annotated[
        Path | None,
        typer.Option("--score-only", help="Score the predictions in this folder; run no model."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report to this file.")
    ] = None,
    save_masks: Annotated[
        Path | None, typer.Option("--save-masks", help="Folder for the found masks alone.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say the overall numbers alone.")
    ] = False,
) -> None:
    """Score a method on a data set: its layout, its episodes, its metric.

    Predictions are written first and scored after. IoU and accuracy are pooled over the photos of
    an object (PerSeg) or of a class, then averaged, as the official scripts do. Boundary IoU is
    averaged over photos.

    Exit code: 0 all is scored, 1 some predictions were missing, 2 nothing could be done.
    """
    typed = typed_options(context)
    if score_only is not None:
        refuse([option for option in typed if option in _MAKING], "--score-only runs no model")
    from persam.evaluation import benchmark
    from persam.evaluation.datasets import catalogue

    name = catalogue.find(name).name
    refuse([option for option in typed if option in _unread(name)], f"{name} has no such thing")
    names = None if objects is None else _words(objects)
    numbers = None if folds is None else _numbers(folds)
    dataset = _open(name, data, (reference_index, names), (numbers, episodes))
    if original_size:
        dataset = dataclasses.replace(dataset, original_size=True)
    if score_only is not None:
        with progress(dataset.photos, "Scoring", quiet=quiet) as step:
            report = benchmark.score_only(score_only, dataset, step)
    else:
        recipe = {"variant": variant, "without": without, "alpha": alpha}
        place = {"match_with": match_with, "device": device, "precision": precision}
        chosen = choose(method, model, recipe, place, typed)
        kept = TemporaryDirectory(prefix="persam-") if out is None else nullcontext(str(out))
        with kept as folder, progress(dataset.photos, "Measuring", quiet=quiet) as step:
            report = benchmark.evaluate(
                chosen.learner,
                chosen.backbone,
                dataset,
                out=folder,
                settings=chosen.settings,
                on_photo=lambda *_: step(),
            )
            if save_masks is not None:
                benchmark.copy_masks(dataset, folder, save_masks)
    if json is not None:
        report.write(json)
    _tell(report, name, quiet=quiet)
    if report.missing:
        raise typer.Exit(1)


def _unread(name: str) -> tuple[str, ...]:
    """Options that a data set does not have."""
    return (
        ("folds", "episodes", "original_size")
        if name == "perseg"
        else ("reference_index", "objects")
    )


def _open(
    name: str,
    data: Path,
    photos: tuple[int, list[str] | None],
    protocol: tuple[list[int] | None, int | None],
) -> Dataset[Any]:
    """Open the data set: reference index and objects for PerSeg, folds and episodes for others."""
    from persam.evaluation import datasets

    if name == "perseg":
        return datasets.perseg(data, reference_index=photos[0], objects=photos[1])
    return datasets.open_dataset(name, data, folds=protocol[0], episodes=protocol[1])


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError:
        raise InputError(
            f"--folds takes numbers with commas between, as 0,2; got {text!r}."
        ) from None


def _tell(report: Report, name: str, *, quiet: bool) -> None:
    from persam.evaluation.datasets.problems import listed

    if not quiet:
        Console().print(_table(report, "object" if name == "perseg" else "class"))
    say(_overall(report, "objects" if name == "perseg" else "classes"))
    if report.failed:
        first, reason = next(iter(report.failed.items()))
        complain(
            f"{len(report.failed)} could not be learnt and count with empty masks: "
            f"{listed(report.failed)}. The reason for {first}: {reason}"
        )
    if report.missing:
        complain(
            f"{len(report.missing)} predictions are missing and not scored: "
            f"{listed(report.missing)}."
        )


def _table(report: Report, what: str) -> Table:
    table = Table(what, title=None)
    for title in ("IoU", "accuracy", "boundary IoU", "point hit", "photos", "seconds"):
        table.add_column(title, justify="right")
    for name, row in report.objects.items():
        shares = (_percent(value, 1) for value in (row.iou, row.acc, row.biou, row.point_hit))
        table.add_row(name, *shares, str(len(row.photos)), _seconds(row.seconds))
    return table


def _overall(report: Report, what: str) -> str:
    fb_iou = "" if report.fb_iou is None else f"FB-IoU {report.fb_iou:.2%}, "
    return (
        f"mIoU {report.miou:.2%}, {fb_iou}mAcc {report.macc:.2%}, bIoU {report.biou:.2%}, "
        f"point hit {_percent(report.point_hit, 1)}: {len(report.objects)} {what}, "
        f"{report.photos} photos, {_seconds(report.seconds)} s."
    )


def _percent(share: float | None, digits: int) -> str:
    return "–" if share is None else f"{share:.{digits}%}"  # noqa: RUF001


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f}"  # noqa: RUF001
