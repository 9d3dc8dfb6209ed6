"""`persam evaluate`: how good a method is on pictures whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from persam.cli import evaluate_pictures, evaluate_video
from persam.cli.console import complain
from persam.cli.evaluate_args import (
    FolderArgs,
    MethodArgs,
    refuse,
    refuse_other_report,
    typed_options,
)
from persam.cli.model_args import (
    AlphaOption,
    AnyMethodOption,
    DeviceOption,
    EngineOption,
    MatchOption,
    ModelOption,
    PrecisionOption,
    WithoutOption,
)
from persam.errors import InputError

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report
    from persam.evaluation.video.reports import VideoReport

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
    "engine",
)
# Options that belong to one data set, and those that belong to all that draw episodes.
_OWN = {"perseg": ("reference_index", "objects"), "davis": ("year", "sequences")}
_EPISODES = ("folds", "episodes", "original_size")

AnyVariantOption = Annotated[
    Literal["default", "official", "memory", "distractors"],
    typer.Option(
        "--variant",
        help="default measures best; official repeats the official code; DAVIS: memory and "
        "distractors follow with the video memory of SAM 2 or EdgeTAM.",
    ),
]


def evaluate(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A data set that `persam datasets` lists.")
    ],
    data: Annotated[Path, typer.Argument(help="Its folder, as `persam datasets` says.")],
    method: AnyMethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    variant: AnyVariantOption = "default",
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
    year: Annotated[
        int | None,
        typer.Option("--year", help="DAVIS: 2016 or 2017. Left out: 2017 where its list is there."),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option("--sequences", help="DAVIS: only these, with commas between. Left out: all."),
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
    engine: EngineOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say the overall numbers alone.")
    ] = False,
) -> None:
    """Score a method on a data set: its layout, its episodes, its metric.

    Predictions are written first and scored after. IoU and accuracy are pooled over the photos of
    an object (PerSeg) or of a class, then averaged, as the official scripts do. Boundary IoU is
    averaged over photos. On DAVIS, objects are learnt from the first frame and followed; J and F
    are averaged over an object's frames, then over objects.

    Exit code: 0 all is scored, 1 some predictions were missing, 2 nothing could be done.
    """
    typed = typed_options(context)
    refuse_other_report(json)
    if score_only is not None:
        refuse([option for option in typed if option in _MAKING], "--score-only runs no model")
    from persam.evaluation.datasets import catalogue

    name = catalogue.find(name).name
    refuse([option for option in typed if option in _unread(name)], f"{name} has no such thing")
    kind: Any = evaluate_video if name == "davis" else evaluate_pictures
    dataset = _open(
        *(name, data),
        {"reference_index": reference_index, "objects": _words(objects)},
        {"year": year, "sequences": _words(sequences)},
        {"folds": _numbers(folds), "episodes": episodes},
    )
    if original_size:
        dataset = dataclasses.replace(dataset, original_size=True)
    recipe = {"variant": variant, "without": without, "alpha": alpha}
    place = {"match_with": match_with, "device": device, "precision": precision, "engine": engine}
    asked = MethodArgs(method, model, recipe, place, typed)
    report = kind.measure(dataset, asked, FolderArgs(out, score_only, save_masks), quiet=quiet)
    if json is not None:
        report.write(json)
    kind.tell(report, name, quiet=quiet)
    _complain(report)
    if report.missing:
        raise typer.Exit(1)


def _unread(name: str) -> list[str]:
    """Options that a data set does not have."""
    own = _OWN.get(name, _EPISODES)
    every = {option for options in (*_OWN.values(), _EPISODES) for option in options}
    return sorted(every - set(own))


def _open(
    name: str,
    data: Path,
    perseg: dict[str, Any],
    davis: dict[str, Any],
    others: dict[str, Any],
) -> Dataset[Any]:
    """Open the data set with the options that are its own."""
    from persam.evaluation import datasets

    if name == "perseg":
        return datasets.perseg(data, **perseg)
    if name == "davis":
        return datasets.davis(data, **davis)
    return datasets.open_dataset(name, data, **others)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]


def _numbers(text: str | None) -> list[int] | None:
    words = _words(text)
    try:
        return None if words is None else [int(word) for word in words]
    except ValueError:
        raise InputError(
            f"--folds takes numbers with commas between, as 0,2; got {text!r}."
        ) from None


def _complain(report: Report | VideoReport) -> None:
    from persam.evaluation.datasets.problems import listed

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
