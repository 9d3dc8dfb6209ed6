"""``persam train``: make the project's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.options import DeviceOption

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
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoint, log and weights; a run there goes on.")
    ] = Path("runs/pocket"),
    steps: Annotated[int | None, typer.Option(help="Steps, where not the recipe's.")] = None,
    grow_at: Annotated[
        int | None, typer.Option(help="Step at which scenes grow to full size.")
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

    from rich.console import Console

    from persam.backbones import choose_device
    from persam.training.pocket import Run, prepare, train
    from persam.training.processes import together
    from persam.training.state import Recipe

    changes = {"steps": steps, "grow_at": grow_at}
    recipe = replace(Recipe(), **{k: v for k, v in changes.items() if v is not None})
    console = Console()
    console.print(recipe)
    run = Run(data, initial, out, watch, device)
    if processes > 1:
        prepare(run, recipe, choose_device(device))  # its errors would be lost among the processes
        together(processes, train, run, recipe)
        path = out / "pocket.safetensors"
    else:
        path = train(run, recipe, report=lambda line: console.print(_text(line)))
    console.print(f"Weights: {path}")


def _text(line: dict[str, float]) -> str:
    return " ".join(f"{name}={value}" for name, value in line.items())
