"""`persam evaluate davis`: follow and score, or score alone, and what is said of it."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from rich.table import Table

from persam.cli.console import as_seconds, progress, say, show
from persam.cli.evaluate_args import FolderArgs, MethodArgs, ResolvedMethod, choose, refuse
from persam.errors import InputError
from persam.variants import Method

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.sequences import Statistics
    from persam.evaluation.video.reports import VideoReport

_NONE = "–"  # noqa: RUF001


def measure(
    dataset: Dataset[Any], asked: MethodArgs, places: FolderArgs, *, quiet: bool
) -> VideoReport:
    """Follow and score, or score alone.

    Raises:
        InputError: what is asked for cannot be done; the message says why.
    """
    from persam.evaluation.benchmark import copy_masks
    from persam.evaluation.video import benchmark
    from persam.video.tracking import track

    if places.score_only is not None:
        scored = sum(len(subject.photos) - 2 for subject in dataset.subjects)
        with progress(scored, "Scoring", quiet=quiet) as step:
            return benchmark.score_only(places.score_only, dataset, step)
    chosen = _choose(asked)
    tracker = partial(track, variant=asked.recipe["variant"])
    frames = sum(len(subject.photos) for subject in dataset.subjects)
    out = places.out
    kept = TemporaryDirectory(prefix="persam-") if out is None else nullcontext(str(out))
    with kept as folder, progress(frames, "Following", quiet=quiet) as step:
        report = benchmark.evaluate(
            chosen.learner,
            tracker,
            chosen.backbone,
            dataset,
            out=folder,
            settings=chosen.settings,
            on_progress=lambda *_: step(),
        )
        if places.save_masks is not None:
            copy_masks(dataset, folder, places.save_masks)
    return report


def _choose(asked: MethodArgs) -> ResolvedMethod:
    """The method and the model; under ``official``, the video scripts' own way to learn."""
    tracking = asked.recipe["variant"]
    if tracking != "official":
        own = dataclasses.replace(asked, recipe=asked.recipe | {"variant": "default"})
        chosen = choose(own)
        return dataclasses.replace(chosen, settings=chosen.settings | {"tracking": tracking})
    if asked.method not in get_args(Method):
        raise InputError(
            f"The official video scripts know {' and '.join(get_args(Method))}; got "
            f"{asked.method!r}. Choose one of them, or --variant default."
        )
    refuse(
        [option for option in asked.typed if option in ("without", "alpha")],
        "the official video scripts have one recipe each",
    )
    from persam.models.loading import load
    from persam.video.official import learn_object

    backbone = load(asked.model, **asked.place)
    method: Any = asked.method
    learner = partial(learn_object, method=method)
    settings = {"method": method, "precision": backbone.precision, "tracking": tracking}
    return ResolvedMethod(learner, backbone, settings)


def tell(report: VideoReport, name: str, *, quiet: bool) -> None:
    """Say what a report holds: a row a sequence and object, and the means."""
    if not quiet:
        show(_table(report))
    say(_overall(report))
    if report.not_shown:
        say(
            f"{name} shows {', '.join(report.not_shown)} only after the first frame: not asked "
            f"for, not scored."
        )


def _table(report: VideoReport) -> Table:
    """A row for every object, in percent, and one for a sequence that has several."""
    # Nine columns and a name like paragliding-launch/1 fit into 80 characters without lines.
    table = Table("object", box=None, pad_edge=False, collapse_padding=True)
    for title in ("J&F", "J", "recall", "decay", "F", "recall", "decay", "frames"):
        table.add_column(title, justify="right")
    for name, sequence in report.sequences.items():
        own = {key: one for key, one in report.objects.items() if key.rpartition("/")[0] == name}
        if len(own) > 1:
            jf, j, f = (_percent(value) for value in (sequence.jf, sequence.j, sequence.f))
            table.add_row(name, jf, j, "", "", f)
        for key, one in own.items():
            shares = (_percent(one.jf), *_shares(one.j), *_shares(one.f))
            table.add_row(key, *shares, str(len(one.frames)))
    return table


def _shares(measure: Statistics) -> tuple[str, ...]:
    return tuple(_percent(value) for value in (measure.mean, measure.recall, measure.decay))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _overall(report: VideoReport) -> str:
    measures = ", ".join(
        f"{name} {one.mean:.2%} (recall {one.recall:.2%}, decay {one.decay:.2%})"
        for name, one in (("J", report.j), ("F", report.f))
    )
    speed, peak = report.frames_per_second, report.peak_memory
    return (
        f"J&F {report.jf:.2%}, {measures}: {len(report.sequences)} sequences, "
        f"{len(report.objects)} objects, {report.frames} frames scored, "
        f"{as_seconds(report.seconds)} s, {_NONE if speed is None else f'{speed:.1f}'} frames/s, "
        f"peak memory {_NONE if peak is None else f'{peak / 2**20:.0f}'} MiB."
    )
