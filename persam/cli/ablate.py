"""`persam ablate`: which part of a recipe is worth how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from persam.cli.console import complain, progress, say
from persam.cli.evaluate_args import refuse_other_report
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    ModelOption,
    PrecisionOption,
)
from persam.cli.run_args import QuietOption


def ablate(
    data: Annotated[
        Path, typer.Argument(help="Folder with Images/<object>/<NN>.jpg and Annotations/ likewise.")
    ],
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    reference_index: Annotated[
        int, typer.Option("--reference-index", min=0, help="Which photo shows the object: 0 is 00.")
    ] = 0,
    objects: Annotated[
        str | None,
        typer.Option("--objects", help="Only these, with commas between. Left out: all."),
    ] = None,
    fit: Annotated[
        Literal["fast", "official"],
        typer.Option(
            "--fit",
            help="How the official recipe finds PerSAM-F's weights: official runs its 1,000 steps, "
            "which takes minutes; fast reaches the same loss or a lower one.",
        ),
    ] = "fast",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the predictions; the same command goes on where it stopped."
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all rows to this file.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Put the recipe together part by part, and show the object by mask, box or point.

    The first table is the paper's ablation, on the official recipe; the second, the same for the
    model's own recipe, where that has parts of its own; the last two tell what becomes of both
    recipes when a box or a point shows the object instead of a mask. A point is the pixel deepest
    inside the mask. Objects that a row could not learn count with empty masks.
    """
    from persam.evaluation import datasets
    from persam.evaluation.ablation import ablate as measure
    from persam.evaluation.ablation_plan import plan
    from persam.models.loading import load

    refuse_other_report(json)
    names = None if objects is None else [name.strip() for name in objects.split(",")]
    dataset = datasets.perseg(data, reference_index=reference_index, objects=names)
    backbone = load(model, match_with=match_with, device=device, precision=precision, engine=engine)
    rows = plan(backbone.recipe, fit)
    with progress(len(rows) * dataset.photos, "Measuring", quiet=quiet) as step:
        found = measure(
            backbone,
            dataset,
            rows,
            out=out,
            settings={"precision": backbone.precision, "engine": backbone.engine},
            on_progress=lambda *_: step(),
        )
    if json is not None:
        found.write(json)
    if not quiet:
        say(found.markdown())
    for measured in found.rows:
        if measured.failed:
            name, reason = next(iter(measured.failed.items()))
            complain(
                f"{measured.row.table}, {measured.row.method}, {measured.row.name}: "
                f"{len(measured.failed)} objects could not be learnt. The reason for {name}: "
                f"{reason}"
            )
