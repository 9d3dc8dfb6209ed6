"""`persam evaluate` on pictures: run or score, and what is said of it."""

from __future__ import annotations

from contextlib import nullcontext
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.table import Table

from persam.cli.console import as_percent, as_seconds, progress, say, show
from persam.cli.evaluate_args import FolderArgs, MethodArgs, choose
from persam.errors import InputError

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report


def measure(dataset: Dataset[Any], asked: MethodArgs, places: FolderArgs, *, quiet: bool) -> Report:
    """Predict and score, or score alone.

    Raises:
        InputError: what is asked for cannot be done; the message says why.
    """
    from persam.evaluation import benchmark

    if places.score_only is not None:
        with progress(dataset.photos, "Scoring", quiet=quiet) as step:
            return benchmark.score_only(places.score_only, dataset, step)
    if asked.recipe["variant"] in ("memory", "distractors"):
        raise InputError(
            f"--variant {asked.recipe['variant']} follows objects through a clip, which pictures "
            "are not. "
            "Give default or official."
        )
    chosen = choose(asked)
    out = places.out
    kept = TemporaryDirectory(prefix="persam-") if out is None else nullcontext(str(out))
    with kept as folder, progress(dataset.photos, "Measuring", quiet=quiet) as step:
        report = benchmark.evaluate(
            chosen.learner,
            chosen.backbone,
            dataset,
            out=folder,
            settings=chosen.settings,
            on_progress=lambda *_: step(),
        )
        if places.save_masks is not None:
            benchmark.copy_masks(dataset, folder, places.save_masks)
    return report


def tell(report: Report, name: str, *, quiet: bool) -> None:
    """Say what a report holds: a row an object or class, and the means."""
    one, many = ("object", "objects") if name == "perseg" else ("class", "classes")
    if not quiet:
        show(_table(report, one))
    say(_overall(report, many))


def _table(report: Report, what: str) -> Table:
    table = Table(what, title=None)
    for title in ("IoU", "accuracy", "boundary IoU", "point hit", "photos", "seconds"):
        table.add_column(title, justify="right")
    for name, row in report.objects.items():
        shares = (as_percent(value, 1) for value in (row.iou, row.acc, row.biou, row.point_hit))
        table.add_row(name, *shares, str(len(row.photos)), as_seconds(row.seconds))
    return table


def _overall(report: Report, what: str) -> str:
    fb_iou = "" if report.fb_iou is None else f"FB-IoU {report.fb_iou:.2%}, "
    return (
        f"mIoU {report.miou:.2%}, {fb_iou}mAcc {report.macc:.2%}, bIoU {report.biou:.2%}, "
        f"point hit {as_percent(report.point_hit, 1)}: {len(report.objects)} {what}, "
        f"{report.photos} photos, {as_seconds(report.seconds)} s."
    )
