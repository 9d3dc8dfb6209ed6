"""Hours and money for a million photos, from measured processor seconds a photo.

    python benchmarks/cost.py DATA [--photos 40] [--json benchmarks/cost.json]

*Measured*: a photo from its file to its mask in memory, in processor seconds, and the encoder's
part of it. Of pocket here, on DATA, every photo of another object that is in it; of MobileSAM and
ViT-B by ``bench.py`` and ``engines.py`` (their reports stand beside this file; official shapes with
random weights, which cost the same; OpenVINO in bf16). What a photo of 12 megapixels takes more
than one of 640 x 480 is by ``light.py``. Here, too: decoding a JPEG of DATA and making a mask's
PNG.

*Estimated*, and called so: ViT-H on cores is ViT-B with an encoder that takes longer by the ratio
of their multiply-adds (``vit_macs``). No H100 was at hand: its encoder's seconds are multiply-adds
over the share of the card's peak that such networks reach (``SHARE_OF_PEAK``), pocket's
multiply-adds are by its time beside MobileSAM's, the decoder is ``GPU_DECODER``; decoding JPEGs and
making PNGs stay on the host's cores. Prices are assumptions (``PRICES``): put yours there.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Annotated

import numpy as np
import typer
from lib.speed import every_map

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.io.writers import mask_png

HERE = Path(__file__).parent
MILLION = 1_000_000
# Dollars an hour that clouds ask for without a contract, rounded: assumptions.
PRICES = {"core": 0.04, "h100": 3.0}
H100_CORES = 16  # that come with a card, in its price
MOBILE_MACS = 39e9  # of MobileSAM's encoder, as the EfficientViT-SAM paper counts them
H100_PEAK = 494e12  # dense bf16 multiply-adds a second: half of 989 TFLOP/s
SHARE_OF_PEAK = {"pocket": 0.05, "mobile-sam": 0.10, "sam-vit-huge": 0.40}
GPU_DECODER = 0.002  # seconds a photo, decoders batched
TOKENS, PADDED, WINDOW = 64 * 64, 70 * 70, 14 * 14  # of SAM's encoders, at 1024 pixels
# Names in bench.json, in engines.json, and the engine that was measured there.
MEASURED = {
    "mobile-sam": ("mobile", "mobile-sam", "openvino bf16"),
    "sam-vit-base": ("vit-b", "sam-vit-base", "openvino bf16"),
}


def vit_macs(width: int, layers: int, whole: int) -> float:
    """Multiply-adds of a SAM encoder; ``whole`` of its layers look at the whole picture."""
    dense = 8 * TOKENS * width**2
    windowed = 4 * PADDED * width**2 + 2 * PADDED * WINDOW * width
    global_ = 4 * TOKENS * width**2 + 2 * TOKENS**2 * width
    return layers * dense + (layers - whole) * windowed + whole * global_


def pocket(data: Path, count: int) -> tuple[float, float]:
    """Processor seconds of the built-in model for a photo, all of it and the encoder's."""
    backbone, whole, encoder = persam.load(device="cpu"), [], []
    for number, subject in enumerate(datasets.open_dataset("perseg", data).subjects[: count + 1]):
        shown, photo, *_ = subject.photos
        concept = persam.personalize(backbone, shown.image, mask=shown.mask)
        laid = backbone.preprocess(read_image(photo.image))
        began = process_time()
        concept.segment(photo.image)
        between = process_time()
        every_map(backbone.encode_preprocessed([laid]))
        ended = process_time()
        if number > 0:  # the first one finds a model that still sets itself up
            whole.append(between - began)
            encoder.append(ended - between)
    return fmean(whole), fmean(encoder)


def measured() -> dict[str, tuple[float, float]]:
    """Processor seconds a photo by model, all of it and the encoder's, of the stored reports."""
    bench = json.loads((HERE / "bench.json").read_text())["rows"]
    engines = json.loads((HERE / "engines.json").read_text())["models"]
    found = {}
    for model, (shape, name, engine) in MEASURED.items():
        (row,) = (one for one in bench if one["figure"].startswith(f"{shape}: file to mask, times")
                  and not one["figure"].endswith("recipe"))  # fmt: skip
        detail = row["detail"]
        seconds = min(detail["fast"]["cpu"]) / detail["photos"]
        found[model] = (seconds, engines[name][engine]["cpu"] / 1000)
    return found


def with_huge(costs: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The costs, and ViT-H's by ViT-B's."""
    seconds, encoder = costs["sam-vit-base"]
    huge = encoder * vit_macs(1280, 32, 4) / vit_macs(768, 12, 4)
    return {**costs, "sam-vit-huge": (seconds - encoder + huge, huge)}


def twelve_megapixels() -> float:
    """Processor seconds that a photo of 12 megapixels takes more than one of 640 x 480."""
    rows = json.loads((HERE / "light.json").read_text())["rows"]
    large, small = (rows[f"persam segment, {of}"] for of in ("12 megapixels", "640 x 480"))
    return large["processor"] - small["processor"]


def on_cores(seconds: float) -> dict[str, float]:
    """A million photos on cores."""
    hours = seconds * MILLION / 3600
    return {
        "seconds a photo": round(seconds, 3),
        "core hours": round(hours),
        "dollars on cores": round(hours * PRICES["core"], 1),
        "hours on 64 cores": round(hours / 64, 1),
    }


def on_card(model: str, macs: float, host: float) -> dict[str, float]:
    """A million photos on one H100, all of it estimated but the host's seconds."""
    card = macs / (H100_PEAK * SHARE_OF_PEAK[model]) + GPU_DECODER
    hours = max(card, host / H100_CORES) * MILLION / 3600
    return {
        "H100, estimated: milliseconds of the card": round(card * 1000, 1),
        "H100: milliseconds of its host's cores": round(host / H100_CORES * 1000, 1),
        "H100, estimated: hours": round(hours, 1),
        "H100, estimated: dollars": round(hours * PRICES["h100"], 1),
    }


def reading_and_writing(data: Path, count: int) -> dict[str, float]:
    """Processor seconds to decode a photo and to make a mask's PNG."""
    every = sorted((data / "Images").rglob("*.jpg"))
    some = every[:: max(1, len(every) // count)][:count]
    read, write = [], []
    for path in some:
        began = process_time()
        image = read_image(path)
        read.append(process_time() - began)
        mask = data / "Annotations" / path.relative_to(data / "Images").with_suffix(".png")
        found = read_mask(mask, image.shape[:2]) > np.uint8(127)
        began = process_time()
        mask_png(found)
        write.append(process_time() - began)
    return {"read": fmean(read), "write": fmean(write)}


def main(
    data: Path,
    photos: int = 40,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Reckon and print what a million photos cost."""
    costs = {"pocket": pocket(data, photos), **with_huge(measured())}
    ends = reading_and_writing(data, photos)
    macs = {
        "pocket": MOBILE_MACS * costs["pocket"][1] / costs["mobile-sam"][1],
        "mobile-sam": MOBILE_MACS,
        "sam-vit-huge": vit_macs(1280, 32, 4),
    }
    rows = []
    for photo, more in (("640 pixels", 0.0), ("12 megapixels", twelve_megapixels())):
        for model, (seconds, _) in costs.items():
            row = {"model": model, "photos of": photo}
            row |= on_cores(seconds + ends["write"] + more)
            if model in macs:
                row |= on_card(model, macs[model], sum(ends.values()) + more)
            rows.append(row)
    facts = {
        "data": data.name,
        "version": persam.__version__,
        "seconds to decode a photo and to make its PNG": ends,
        "seconds a photo, and the encoder's": costs,
        "estimated": ["sam-vit-huge", "everything of the H100 but its host's cores"],
        "multiply-adds": macs,
        "share of the H100's peak": SHARE_OF_PEAK,
        "prices": PRICES,
        "a million photos": rows,
        "environment": environment(),
    }
    typer.echo(json.dumps(facts, indent=2))
    if out is not None:
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
