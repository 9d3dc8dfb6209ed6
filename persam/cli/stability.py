"""`persam evaluate stability`: how steady a model is under sloppy prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import progress, say
from persam.cli.evaluate_args import refuse_other_report
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    ModelOption,
    PluginOption,
    PrecisionOption,
)


def stability(
    data: Annotated[
        Path,
        typer.Argument(
            help="A tar or folder of pictures with masks, or HQSeg-44K's folder for its four "
            "test sets."
        ),
    ],
    model: ModelOption = "pocket",
    plugin: PluginOption = None,
    prompts: Annotated[
        int, typer.Option("--prompts", min=1, help="Random prompts a picture and kind.")
    ] = 20,
    noise: Annotated[
        float, typer.Option("--noise", help="How far off noisy boxes are, above 0 and at most 1.")
    ] = 0.4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all prompts.")] = 0,
    pictures: Annotated[
        int | None,
        typer.Option(
            "--pictures", min=1, help="So many of each set, evenly spread. Left out: all."
        ),
    ] = None,
    stretch: Annotated[
        bool,
        typer.Option(
            "--stretch", help="Stretch pictures over the model's square, as HQ-SAM's evaluation."
        ),
    ] = False,
    second_look: Annotated[
        bool,
        typer.Option(
            help="Ask again in a crop, where the model's recipe does so for clicks and boxes."
        ),
    ] = True,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report to this file.")
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Ask for every object again and again, by sloppy boxes and clicks.

    For each kind of prompt (true box, noisy box, 1, 3, 5 and 10 points on the object): mIoU,
    boundary mIoU, stability (mean IoU of each of a picture's masks with the union of all), and
    agreement (mean IoU of every two).
    """
    from persam.evaluation.stability import Protocol, evaluate_stability
    from persam.io.pairs import read_sets, spread
    from persam.models.loading import load

    refuse_other_report(json)
    protocol = Protocol(prompts, noise, seed, stretch, second_look)
    sets = {name: spread(pairs, pictures) for name, pairs in read_sets(data).items()}
    backbone = load(model, plugin=plugin, device=device, precision=precision, engine=engine)
    with progress(sum(map(len, sets.values())), "Measuring", quiet=quiet) as step:
        read = {name: (pair.read() for pair in pairs) for name, pairs in sets.items()}
        report = evaluate_stability(backbone, read, protocol, step)
    if json is not None:
        report.write(json)
    say(report.markdown())
