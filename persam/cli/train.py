"""``persam train``: make the project's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        Path, typer.Option(help="MobileNetV2 weights to start from (safetensors, conv_00 ...).")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of checkpoint, log and weights; a run there goes on.")
    ] = Path("runs/pocket"),
    steps: Annotated[int | None, typer.Option(help="Steps, where not the recipe's.")] = None,
    grow_at: Annotated[
        int | None, typer.Option(help="Step at which scenes grow to full size.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores by default.")] = None,
) -> None:
    """Train the built-in model, or go on with a run that was stopped."""
    from dataclasses import replace

    import torch
    from rich.console import Console

    from persam.training.pocket import Recipe, train

    if threads is not None:
        torch.set_num_threads(threads)
    changes = {"steps": steps, "grow_at": grow_at}
    recipe = replace(Recipe(), **{k: v for k, v in changes.items() if v is not None})
    console = Console()
    console.print(recipe)

    def show(line: dict[str, float]) -> None:
        console.print(" ".join(f"{name}={value}" for name, value in line.items()))

    path = train(data, initial, out, recipe, report=show)
    console.print(f"Weights: {path}")
