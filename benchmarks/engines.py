"""Measure the engines: milliseconds a picture and agreement with torch in fp32.

    python benchmarks/engines.py DATA [--model NAME]... [--threads N] [--masks] [--json FILE]

DATA is in PerSeg's layout. The models have the sizes of the pocket model (its own weights),
MobileSAM, SAM ViT-B and SAM 2's tiny one (random weights, as large as make every part matter).
The engines of a model take turns; of each the turn of least processor time counts (`cpu`,
milliseconds of all threads together, with one thread the picture's own time on an idle machine;
`ms` is by the clock, which whatever else runs lengthens). The cosine is that of all numbers of the
features (and, for the pocket model, of the matching features). With --masks the pocket model learns
every object from its first photo and finds it in the others by each engine: mean and worst IoU with
the masks of torch in fp32, and mean IoU with the truth. Prints a table.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import transformers
import typer

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.io.images import read_image
from persam.models.adapter import Adapter
from persam.models.prompting import preprocess
from persam.models.runtime.choice import Engine, RuntimeChoice, missing
from persam.models.runtime.converted_encoder import ConvertedEncoder
from persam.models.runtime.cpu import computes_in_bf16
from persam.models.runtime.int8 import calibrated
from persam.models.runtime.programs import converted
from persam.models.runtime.start_encoder import start
from persam.models.sam import SamBackbone
from persam.models.sam2 import Sam2Backbone
from persam.models.tiny_vit import Stage, TinyViT

MOBILE = (
    Stage(64, 2, 256, merged=128),
    Stage(128, 2, 512, 4, 7, 160),
    Stage(160, 6, 640, 5, 14, 320),
    Stage(320, 2, 1280, 10, 7),
)
CHOICES = {
    "torch, channels last": RuntimeChoice("torch", "fp32"),
    "torch bf16": RuntimeChoice("torch", "bf16"),
    "compile": RuntimeChoice("compile", "fp32"),
    "onnx": RuntimeChoice("onnx", "fp32"),
    "openvino": RuntimeChoice("openvino", "fp32"),
    "openvino bf16": RuntimeChoice("openvino", "bf16"),
}
CALIBRATED_BY = 12  # photos


def build(name: str) -> Adapter:
    if name == "pocket":
        backbone: Any = persam.load("pocket", device="cpu", engine="torch", precision="fp32")
        return backbone
    if name == "mobile-sam":
        stand_in = {"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 0}
        config = transformers.SamConfig(vision_config=stand_in | {"global_attn_indexes": []})
        model: Any = transformers.SamModel(config)
        model.vision_encoder = TinyViT(MOBILE, 256)
    elif name == "sam2-tiny":
        return Sam2Backbone(name, draw(transformers.Sam2Model(transformers.Sam2Config())))
    else:
        model = transformers.SamModel(transformers.SamConfig())
    return SamBackbone(name, draw(model))


def draw(model: torch.nn.Module) -> Any:
    """Random weights that keep the size of what goes through."""
    generator = torch.Generator().manual_seed(7)
    for name, tensor in sorted(model.state_dict().items()):
        drawn = torch.randn(tensor.shape, generator=generator)
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            drawn = 1 + 0.1 * drawn.abs()
        elif name.endswith("weight") and tensor.ndim == 1:
            drawn = 1 + 0.1 * drawn
        elif "positional_embedding" not in name:
            fan = int(np.prod(tensor.shape[1:])) if tensor.ndim > 1 else 100
            drawn = drawn / fan**0.5
        tensor.copy_(drawn)
    return model.eval()


def plain(network: torch.nn.Module) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """The network as it is, without any care for the layout of its weights."""

    def run(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.no_grad():
            return tuple(maps.numpy() for maps in network(torch.from_numpy(pixels)))

    return run


def eight_bits(backbone: Adapter, photos: list[Path], folder: Path) -> dict[str, Engine]:
    """The encoder rounded to eight bits, by both engines that read ONNX."""
    source, target = converted(backbone.convertible()[0], "onnx"), folder / "int8.onnx"
    pixels = (preprocess(read_image(photo), backbone).pixels[0] for photo in photos[:CALIBRATED_BY])
    calibrated(source, target, pixels)
    return {
        "onnx int8": ConvertedEncoder("onnx", target, "int8"),
        "openvino int8": ConvertedEncoder("openvino", target, "int8"),
    }


def engines_of(
    backbone: Adapter, photos: list[Path], *, compiled: bool, int8: bool
) -> dict[str, Any]:
    """All engines of a model, and how many seconds each took to start."""
    found: dict[str, Any] = {}
    for name, choice in CHOICES.items():
        if missing(choice.engine) or (choice.engine == "compile" and not compiled):
            continue
        if choice.precision == "bf16" and not computes_in_bf16():
            continue
        began = time.perf_counter()
        engine = start(backbone.network, backbone.blank, choice)
        engine(backbone.blank.numpy())
        found[name] = engine, time.perf_counter() - began
    if not int8:
        return found
    began = time.perf_counter()
    folder = Path(tempfile.mkdtemp())
    for name, engine in eight_bits(backbone, photos, folder).items():
        found[name] = engine, time.perf_counter() - began
    return found


def timed(engines: dict[str, Any], pixels: np.ndarray, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each engine's quickest turn, of the processor and by the clock."""
    best = {name: {"cpu": float("inf"), "ms": float("inf")} for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            busy, began = time.process_time(), time.perf_counter()
            engine(pixels)
            took = {"cpu": time.process_time() - busy, "ms": time.perf_counter() - began}
            best[name] = {key: min(best[name][key], 1000 * took[key]) for key in took}
    return best


def cosine(found: np.ndarray, expected: np.ndarray) -> float:
    one, other = (maps.astype(np.float64).ravel() for maps in (found, expected))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def agreement(
    backbone: Adapter, engines: dict[str, Any], data: Path
) -> dict[str, dict[str, float]]:
    """How far masks agree with those of torch in fp32, and with the truth."""
    ious: dict[str, list[float]] = {name: [] for name in engines}
    true: dict[str, list[float]] = {name: [] for name in engines}
    for subject in datasets.perseg(data).subjects:
        picture, truth = subject.reference.read()
        pairs = [photo.read() for photo in subject.targets if photo.stem != subject.reference.stem]
        masks = {}
        for name, engine in engines.items():
            backbone.encoder = engine
            concept = persam.personalize(backbone, picture, mask=truth)
            masks[name] = [concept.segment(image).mask for image, _ in pairs]
        expected = masks[next(iter(engines))]
        for name, found in masks.items():
            ious[name] += [iou(a, b) for a, b in zip(found, expected, strict=True)]
            true[name] += [iou(a, b) for a, (_, b) in zip(found, pairs, strict=True)]
    return {
        name: {"iou": np.mean(ious[name]), "worst": min(ious[name]), "truth": np.mean(true[name])}
        for name in engines
    }


def iou(found: np.ndarray, expected: np.ndarray) -> float:
    either = (found | expected).sum()
    return float((found & expected).sum() / either) if either else 1.0


def measure(name: str, data: Path, rounds: int, *, masks: bool, **kinds: bool) -> dict[str, Any]:
    backbone = build(name)
    photos = sorted((data / "Images").glob("*/*.jpg"))
    (pixels,) = preprocess(read_image(photos[0]), backbone).pixels
    before = plain(backbone.network.to(memory_format=torch.contiguous_format))
    expected = before(pixels)
    rows = {"torch, plain": timed({"": before}, pixels, rounds)[""]}
    started = engines_of(backbone, photos[1:], **kinds)
    engines = {key: engine for key, (engine, _) in started.items()}
    for key, took in timed(engines, pixels, rounds).items():
        found = engines[key](pixels)
        rows[key] = {**took, "cosine": cosine(found[0], expected[0]), "start": started[key][1]}
        if name == "pocket":
            rows[key]["matching"] = cosine(found[1], expected[1])
    if masks and name == "pocket":
        for key, facts in agreement(backbone, engines, data).items():
            rows[key] |= facts
    return rows


def table(name: str, rows: dict[str, dict[str, float]]) -> str:
    columns = ["cpu", "ms", "start", "cosine", "matching", "iou", "worst", "truth"]
    columns = [one for one in columns if any(one in row for row in rows.values())]
    first = rows["torch, plain"]["cpu"]
    lines = [
        f"| {name} | times as fast | {' | '.join(columns)} |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for key, row in rows.items():
        cells = [f"{row[c]:.5g}" if c in row else "" for c in columns]
        lines.append(f"| {key} | {first / row['cpu']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(  # noqa: PLR0913 - a command's options are its parameters
    data: Path,
    model: Annotated[list[str] | None, typer.Option()] = None,
    threads: int = 2,
    rounds: int = 7,
    *,
    masks: bool = False,
    compiled: bool = False,
    int8: bool = True,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """See the file's own text."""
    torch.set_num_threads(threads)
    tables = {}
    for name in model or ("pocket", "mobile-sam", "sam-vit-base", "sam2-tiny"):
        tables[name] = measure(name, data, rounds, masks=masks, compiled=compiled, int8=int8)
        typer.echo(table(name, tables[name]) + "\n")
        if json_file is not None:
            facts = {"environment": environment(), "threads": threads, "models": tables}
            json_file.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
