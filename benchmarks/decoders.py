"""Measure a decoder call by each engine: milliseconds, and agreement with transformers' own code.

    python benchmarks/decoders.py [--model NAME]... [--threads N] [--json FILE]

The pocket model has its own weights, MobileSAM's and SAM 2's shapes random ones. Asked are two
points and a mask, as in a refinement of PerSAM; prompts are laid out anew for every call. The
engines take turns, the quickest of all calls counts, the median stands beside it.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from engines import build

from persam.evaluation.benchmark import environment
from persam.models.runtime.choice import RuntimeChoice, missing
from persam.models.runtime.fast_decoder import undo_lean
from persam.structures import MaskLogits, Prompts

MODELS = ("pocket", "mobile-sam", "sam2-tiny")
ENGINES = ("torch", "onnx", "openvino")
PHOTO = np.random.RandomState(0).randint(0, 256, (480, 640, 3), dtype=np.uint8)
POINTS, LABELS = np.array([[100, 100], [300, 200]]), np.array([1, 0])


def asking(backbone: Any) -> Callable[[], MaskLogits]:
    """What asks a backbone the same question again and again."""
    embedding = backbone.encode(PHOTO)
    first = backbone.decode(embedding, Prompts(POINTS, LABELS), multimask=False)
    prompts = Prompts(POINTS, LABELS, mask=first.logits)
    return lambda: backbone.decode(embedding, prompts)


def ways(model: str) -> dict[str, Callable[[], MaskLogits]]:
    """Transformers' own code, then the engines that are installed."""
    usual = copy.deepcopy(build(model))
    undo_lean(usual.model)
    found = {"transformers": asking(usual)}
    for engine in ENGINES:
        if not missing(engine):
            found[engine] = asking(build(model).run_by(RuntimeChoice(engine, "fp32")))
    return found


def measure(model: str, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds and the largest difference of a logit, as a share of the largest logit."""
    asked = ways(model)
    expected = asked["transformers"]().logits
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, ask in asked.items():
            ask()
            for _ in range(5):
                began = time.perf_counter()
                ask()
                took[name].append(1000 * (time.perf_counter() - began))
    return {
        name: {
            "ms": min(took[name]),
            "median": median(took[name]),
            "difference": float(np.abs(ask().logits - expected).max() / np.abs(expected).max()),
        }
        for name, ask in asked.items()
    }


def main(
    model: Annotated[list[str] | None, typer.Option()] = None,
    threads: int = 2,
    rounds: int = 8,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """See the file's own text."""
    torch.set_num_threads(threads)
    tables = {}
    typer.echo("| model | decoder by | ms | median | difference |\n|---|---|---|---|---|")
    for name in model or MODELS:
        tables[name] = measure(name, rounds)
        for way, row in tables[name].items():
            numbers = f"{row['ms']:.1f} | {row['median']:.1f} | {row['difference']:.1g}"
            typer.echo(f"| {name} | {way} | {numbers} |")
    if json_file is not None:
        facts = {"environment": environment(), "threads": threads, "models": tables}
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
