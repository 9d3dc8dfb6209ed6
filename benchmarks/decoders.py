"""Measure a decoder call by each engine: milliseconds, and agreement with transformers' own code.

    python benchmarks/decoders.py [--model NAME]... [--threads N] [--together] [--json FILE]

The pocket model has its own weights, MobileSAM's and SAM 2's shapes random ones. Asked are two
points and a mask, as in a refinement of PerSAM; prompts are laid out anew for every call. The
engines take turns, the quickest of all calls counts, the median stands beside it. With --together
also what a call costs in a batch: the pocket decoder converted for 1, 2, 4 and 8 at once, in
processor seconds.
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
from persam.models.tensors import prompt_batch, stack
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


class _Several(torch.nn.Module):
    """The pocket decoder from tensors to tensors, the prompts under their names."""

    def __init__(self, model: Any, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, fine, middle, *prompts = inputs
        asked = dict(zip(self.names, prompts, strict=True))
        answer = self.model(features, (fine, middle), asked, multimask=True)
        return answer.logits, answer.iou


def batched(count: int, threads: int) -> Callable[[], object]:
    """What asks the pocket decoder the same question so many times at once, by OpenVINO."""
    from persam.models.runtime.openvino import silent

    openvino = silent()
    backbone: Any = build("pocket").run_by(RuntimeChoice("torch", "fp32"))
    embedding = backbone.encode(PHOTO)
    first = backbone.decode(embedding, Prompts(POINTS, LABELS), multimask=False)
    prompts = [Prompts(POINTS, LABELS, mask=first.logits)] * count
    asked = prompt_batch(prompts, [embedding] * count, backbone.sizes, backbone.place)
    features, skips = stack([embedding] * count, backbone.place)
    given = (features, *skips, *asked.values())
    with torch.no_grad():
        traced = torch.jit.trace(_Several(backbone.model, list(asked)), given, check_trace=False)
    shapes: list[Any] = [tuple(one.shape) for one in given]
    model = openvino.convert_model(traced, example_input=given, input=shapes)
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    values = [one.numpy() for one in given]
    return lambda: request.infer(values, share_inputs=True)


def together(threads: int, rounds: int) -> dict[int, float]:
    """Processor milliseconds a call, by how many are asked at once."""
    works = {count: batched(count, threads) for count in (1, 2, 4, 8)}
    took: dict[int, list[float]] = {count: [] for count in works}
    for _ in range(2 * rounds):
        for count, work in works.items():
            began = time.process_time()
            work()
            took[count].append(1000 * (time.process_time() - began) / count)
    return {count: min(times) for count, times in took.items()}


def main(
    model: Annotated[list[str] | None, typer.Option()] = None,
    threads: int = 2,
    rounds: int = 8,
    at_once: Annotated[bool, typer.Option("--together")] = False,
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
    in_batches = together(threads, rounds) if at_once else {}
    for count, ms in in_batches.items():
        typer.echo(f"{count} at once: {ms:.2f} processor ms a call")
    if json_file is not None:
        facts = {"environment": environment(), "threads": threads, "models": tables}
        facts |= {"together": in_batches} if at_once else {}
        json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
