"""Measure Stable-SAM's plugin against the plain model, its parts alone, and a LoRA of its size.

    python benchmarks/stable.py tune TRAIN... --out runs/stable-lora [--epochs 1] [--collages 0.5]
                                [--seed 0] [--cache FOLDER]
    python benchmarks/stable.py measure DATA... --run NAME=FILE... --json benchmarks/stable.json
                                [--prompts 20] [--pictures N]

TRAIN are tars or folders of pictures with masks; `tune` trains a LoRA of the plain decoder by the
same recipe as `persam train stable`. `measure` takes plugins (plugin.safetensors) and checkpoints
of `tune` (checkpoint.pt) and prints a Markdown table of the plain model beside each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
import typer

import persam
from persam.evaluation.baselines.lora import lora_parts
from persam.evaluation.baselines.tuned_backbone import TunedBackbone
from persam.evaluation.reports import environment
from persam.evaluation.stability import Protocol, evaluate_stability
from persam.io.pairs import read_pairs, spread
from persam.training.collage import with_collages
from persam.training.embeddings import Store
from persam.training.stable import train
from persam.training.stable_state import StableRecipe, Task

if TYPE_CHECKING:
    from persam.evaluation.stability import StabilityReport

app = typer.Typer(no_args_is_help=True)
RANK = 8  # 23,552 parameters, about as many as the plugin's 22,613


@app.command()
def tune(  # noqa: PLR0913, PLR0917  (options of a command)
    data: list[Path],
    out: Annotated[Path, typer.Option()],
    epochs: float = 1.0,
    collages: float = 0.0,
    seed: int = 0,
    cache: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Train a LoRA beside q and v of the decoder's attentions by the plugin's recipe."""
    backbone = persam.load("pocket", device="cpu", precision="bf16", engine="torch")
    recipe = StableRecipe(epochs=epochs, collages=collages, seed=seed)
    plug = lora_parts(backbone, RANK)
    pairs = with_collages(read_pairs(data), recipe.collages, recipe.seed)
    typer.echo(f"{sum(p.numel() for p in plug.parameters)} parameters")
    store = None if cache is None else Store.open(cache, backbone, [p.stem for p in pairs])
    train(Task(backbone, plug, pairs, store), recipe, out, typer.echo)


def tuned(backbone: Any, file: Path) -> tuple[Any, int]:
    """The model with a run's parts in, and how many parameters these have."""
    if file.suffix == ".safetensors":
        stable = persam.stabilize(backbone, file)
        return stable, stable.plugin.parts.count
    parts = torch.load(file, weights_only=True)["parts"]
    rank = next(len(tensor) for name, tensor in parts.items() if "lora_A" in name)
    plug = lora_parts(backbone, rank)
    plug.parts.load_state_dict(parts)
    return TunedBackbone(backbone, plug, "lora"), sum(p.numel() for p in plug.parameters)


@app.command()
def measure(
    data: list[Path],
    run: Annotated[list[str], typer.Option(help="NAME=FILE")],
    prompts: int = 20,
    pictures: Annotated[int | None, typer.Option()] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Ask the plain model and every run by the same sloppy prompts; rows of the file are kept."""
    backbone = persam.load("pocket", device="cpu", engine="torch")
    facts = {"model": backbone.name, "version": persam.__version__, "prompts": prompts}
    facts |= {"pictures": pictures, "data": [path.stem for path in data]}
    facts |= {"environment": environment()}
    found = kept(out, facts)
    files: dict[str, str] = dict(text.split("=", 1) for text in run)
    for name in ("plain", *files):
        if name in found:
            continue
        asked, parameters = tuned(backbone, Path(files[name])) if name in files else (backbone, 0)
        sets = {path.stem: spread(read_pairs([path]), pictures) for path in data}
        read = {key: (pair.read() for pair in pairs) for key, pairs in sets.items()}
        report = evaluate_stability(asked, read, Protocol(prompts=prompts, second_look=False))
        found[name] = {"parameters": parameters, **figures(report)}
        if out is not None:
            text = json.dumps({**facts, "rows": found}, indent=2, allow_nan=False)
            out.write_text(text + "\n")
    for name in next(iter(found.values()))["sets"]:
        typer.echo(f"\n{compared(found, name)}")


def kept(out: Path | None, facts: dict[str, Any]) -> dict[str, Any]:
    """The rows of an earlier measurement by the same protocol."""
    if out is None or not out.exists():
        return {}
    before = json.loads(out.read_text())
    rows = before.pop("rows")
    return rows if before == facts else {}


def figures(report: StabilityReport) -> dict[str, Any]:
    sets = {
        name: {kind: vars(row) for kind, row in rows.items()} for name, rows in report.sets.items()
    }
    return {"pictures": dict(report.pictures), "sets": sets}


def compared(found: dict[str, Any], name: str) -> str:
    """One set: a line for each run, mIoU / mBIoU / stability of every kind of prompt."""
    kinds = list(found["plain"]["sets"][name])
    lines = [f"| {name} | parameters | " + " | ".join(kinds) + " |"]
    lines.append("| --- " * (len(kinds) + 2) + "|")
    for run, row in found.items():
        cells = (row["sets"][name][kind] for kind in kinds)
        texts = (
            " / ".join(f"{100 * cell[key]:.1f}" for key in ("iou", "biou", "stability"))
            for cell in cells
        )
        lines.append(f"| {run} | {row['parameters']} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    app()
