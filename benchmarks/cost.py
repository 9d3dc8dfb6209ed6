"""Hours and money for a million photos, from measured processor seconds a photo.

    python benchmarks/cost.py DATA [--photos 20] [--json benchmarks/cost.json]
    python benchmarks/cost.py --from benchmarks/cost.json

Measured on DATA's photos (PerSeg's layout), in processor seconds of all threads: reading and
decoding a photo, laying it into the square, the encoder, comparing and the decoder, and the mask's
PNG. Every photo is taken to have the object. MobileSAM and ViT-B have the official shapes and
random weights, which cost the same. ``--from`` reckons anew without measuring.

Estimated, and called so: ViT-H on cores is ViT-B's encoder times the ratio of their multiply-adds
(``vit_macs``), with ViT-B's other stages. No H100 was at hand: its encoder's seconds are the
multiply-adds over the share of the card's peak that such networks reach (``SHARE_OF_PEAK``), its
decoder's a tenth of a millisecond of arithmetic and more of waiting (``GPU_DECODER``); decoding and
writing stay on the host's cores. Prices are assumptions (``PRICES``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated, Any

import typer

MILLION = 1_000_000
# Dollars an hour that clouds ask for without a contract, rounded: assumptions, to be replaced.
PRICES = {"core": 0.04, "h100": 3.0}
H100_CORES = 16  # that come with a card, in its price
MOBILE_MACS = 39e9  # of MobileSAM's encoder, as the EfficientViT-SAM paper counts them
H100_PEAK = 494e12  # dense bf16 multiply-adds a second: half of 989 TFLOP/s
SHARE_OF_PEAK = {"pocket": 0.05, "mobile-sam": 0.10, "sam-vit-huge": 0.40}
GPU_DECODER = 0.002  # seconds a photo, decoders batched
TOKENS, PADDED, WINDOW = 64 * 64, 70 * 70, 14 * 14  # of SAM's encoders, at 1024 pixels


@dataclass(frozen=True)
class PhotoCost:
    """Processor seconds a photo, by stage."""

    read: float
    lay: float
    encode: float
    decode: float
    write: float

    @property
    def total(self) -> float:
        return self.read + self.lay + self.encode + self.decode + self.write


def vit_macs(width: int, layers: int, whole: int) -> float:
    """Multiply-adds of a SAM encoder; ``whole`` of its layers look at the whole picture."""
    dense = 8 * TOKENS * width**2
    windowed = 4 * PADDED * width**2 + 2 * PADDED * WINDOW * width
    global_ = 4 * TOKENS * width**2 + 2 * TOKENS**2 * width
    return layers * dense + (layers - whole) * windowed + whole * global_


def with_huge(costs: dict[str, PhotoCost]) -> dict[str, PhotoCost]:
    """The costs, and ViT-H's by ViT-B's."""
    base, ratio = costs["sam-vit-base"], vit_macs(1280, 32, 4) / vit_macs(768, 12, 4)
    return {**costs, "sam-vit-huge": replace(base, encode=base.encode * ratio)}


def reckon(model: str, cost: PhotoCost, macs: float | None) -> dict[str, Any]:
    """Hours and dollars for a million photos.

    Args:
        model: its name.
        cost: of a photo.
        macs: of the encoder; None where the H100 is not asked about.
    """
    hours = cost.total * MILLION / 3600
    row = {
        "model": model,
        "seconds a photo": round(cost.total, 4),
        "core hours": round(hours),
        "dollars on cores": round(hours * PRICES["core"]),
        "hours on 64 cores": round(hours / 64, 1),
    }
    if macs is None:
        return row
    card = macs / (H100_PEAK * SHARE_OF_PEAK[model]) + GPU_DECODER
    host = (cost.read + cost.lay + cost.write) / H100_CORES
    hours = max(card, host) * MILLION / 3600
    return row | {
        "H100, estimated: milliseconds of the card": round(card * 1000, 2),
        "H100, estimated: milliseconds of its host": round(host * 1000, 2),
        "H100, estimated: hours": round(hours, 2),
        "H100, estimated: dollars": round(hours * PRICES["h100"], 1),
    }


def measured(model: str, photos: list[Path], shown: tuple[Path, Path]) -> PhotoCost:
    """Processor seconds a photo of each stage, the first photo left out."""
    import persam
    from persam.io.images import read_image
    from persam.io.writers import mask_png

    backbone: Any = persam.load(model)
    concept = persam.personalize(backbone, shown[0], mask=shown[1])
    spent = dict.fromkeys(("read", "lay", "encode", "decode", "write"), 0.0)
    for number, path in enumerate(photos):
        marks = [process_time()]
        image = read_image(path)
        marks.append(process_time())
        laid = backbone.preprocess(image)
        marks.append(process_time())
        (embedding,) = backbone.encode_preprocessed([laid])
        marks.append(process_time())
        mask = concept.segment_embedding(embedding).mask
        marks.append(process_time())
        BytesIO().write(mask_png(mask))
        marks.append(process_time())
        if number == 0:
            continue
        for name, began, ended in zip(spent, marks, marks[1:], strict=False):
            spent[name] += ended - began
    return PhotoCost(**{name: value / max(1, len(photos) - 1) for name, value in spent.items()})


def main(
    data: Annotated[Path | None, typer.Argument()] = None,
    photos: int = 20,
    stored: Annotated[Path | None, typer.Option("--from")] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure, or read what was measured, and print what a million photos cost."""
    if (data is None) == (stored is None):
        raise typer.BadParameter("give DATA, or --from a report.")
    if stored is not None:
        report = json.loads(stored.read_text())
    else:
        report = _measure(Path(str(data)), photos)
    costs = {name: PhotoCost(**one) for name, one in report["seconds a photo"].items()}
    costs = with_huge(costs)
    macs = {
        # By its time on a core beside MobileSAM's.
        "pocket": MOBILE_MACS * costs["pocket"].encode / costs["mobile-sam"].encode,
        "mobile-sam": MOBILE_MACS,
        "sam-vit-huge": vit_macs(1280, 32, 4),
    }
    report |= {"prices": PRICES, "share of the H100's peak": SHARE_OF_PEAK, "multiply-adds": macs}
    report["a million photos"] = [
        reckon(name, cost, macs.get(name)) for name, cost in costs.items()
    ]
    typer.echo(json.dumps(report, indent=2))
    if out is not None:
        out.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")


def _measure(data: Path, count: int) -> dict[str, Any]:
    import shapes

    import persam
    from persam.evaluation.benchmark import environment

    every = sorted((data / "Images").rglob("*.jpg"))
    reference = every[0]
    mask = data / "Annotations" / reference.relative_to(data / "Images").with_suffix(".png")
    seconds = {}
    with TemporaryDirectory() as folder:
        for name, shape in (("pocket", ""), ("mobile-sam", "mobile"), ("sam-vit-base", "vit-b")):
            model = str(shapes.write(shape, Path(folder))) if shape else name
            few = {"": count, "mobile": max(3, count // 4), "vit-b": 3}[shape]
            some = every[:: len(every) // few][:few]
            seconds[name] = asdict(measured(model, some, (reference, mask)))
    facts = {"version": persam.__version__, "environment": environment(), "data": data.name}
    return {**facts, "photos": count, "seconds a photo": seconds}


if __name__ == "__main__":
    typer.run(main)
