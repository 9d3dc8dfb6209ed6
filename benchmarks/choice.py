"""Which of a cascade's masks is taken, and how far PerSAM-F's weights may go: what each way scores.

    python benchmarks/choice.py DATA [--json benchmarks/choice.json] [--objects 48]

DATA is in PerSeg's layout. Every photo is asked for by PerSAM's recipe: the single mask and the
three of the first step, the three of each refinement; ten masks in all, each made one piece. Then
by PerSAM-F's recipe with several shrinkages. Without absence and without the second look, which
judge and change a mask once it is chosen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

import persam
from persam import geometry
from persam.evaluation import datasets
from persam.methods.fit import fit
from persam.methods.persam import personalize
from persam.methods.persam_f import lesson
from persam.metrics import iou
from persam.pipeline.decoder import Step, final_step, first_step, refine
from persam.pipeline.one_piece import final_object, one_piece
from persam.pipeline.reference import Reference, encode_reference
from persam.pipeline.segment import locate
from persam.pipeline.similarity import sigmoid
from persam.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.models.base import Backbone
    from persam.structures import Embedding

SHRINKAGES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.3, 1000.0)
SHARPNESS = 20.0  # of the weights that estimates give


def main(
    data: Annotated[Path, typer.Argument()],
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
    objects: Annotated[int, typer.Option(min=1)] = 48,
) -> None:
    """Print one line a way, in percent mIoU and share of photos below 0.5."""
    backbone = persam.load("pocket")
    recipe = replace(Variant.named("pocket", "persam"), min_presence=0.0, second_look=0.0)
    found: dict[str, list[float]] = {}
    for subject in datasets.perseg(data).subjects[:objects]:
        image, mask = subject.reference.read()
        shown = encode_reference(backbone, Reference(image, mask=mask), recipe)
        concept = personalize(backbone, image, mask=mask, variant=recipe)
        lessons = [lesson(concept, shown)]
        weights = {each: fit(lessons, "fast", shrinkage=each).weights for each in SHRINKAGES}
        for photo in subject.targets:
            picture, truth = photo.read()
            embedding = backbone.encode(picture)
            detection = locate(concept, embedding)
            first = first_step(backbone, embedding, detection.prompts)
            steps = refine(backbone, embedding, first, recipe)
            ways = _choices(backbone, embedding, steps)
            for name, logits in ways.items():
                full = geometry.to_original(logits, embedding.frame) > 0
                ious = [iou(one_piece(each, detection.prior), truth) for each in full]
                found.setdefault(name, []).append(max(ious))
            for each, three in weights.items():
                fused = first_step(backbone, embedding, detection.prompts, weights=three)
                chosen = refine(backbone, embedding, fused, recipe)
                taken = final_object(chosen, detection.prior, recipe).mask
                found.setdefault(f"PerSAM-F, shrinkage {each:g}", []).append(iou(taken, truth))
    rows = {
        name: {"miou": 100 * float(np.mean(ious)), "below_half": float(np.mean(np.less(ious, 0.5)))}
        for name, ious in found.items()
    }
    for name, row in rows.items():
        typer.echo(f"| {name} | {row['miou']:.1f} | {row['below_half']:.3f} |")
    if json_file is not None:
        json_file.write_text(json.dumps({"data": data.name, "rows": rows}, indent=1) + "\n")


def _choices(
    backbone: Backbone, embedding: Embedding, steps: Sequence[Step]
) -> dict[str, np.ndarray]:
    """Each way's ``(k, m, m)`` logits; where there are several the best for the truth counts."""
    three = backbone.decode(embedding, steps[0].prompts, multimask=True)
    answers = [steps[0].answer, three, *(step.answer for step in steps[1:])]
    logits = np.concatenate([answer.logits for answer in answers])
    scores = np.concatenate([answer.iou for answer in answers])
    sure = np.exp(SHARPNESS * (scores - scores.max()))
    shares = sigmoid(logits)
    weighed = np.einsum("k,kij->ij", sure / sure.sum(), shares)
    return {
        "the best of the ten": logits,
        "the recipe's: the step of the highest estimate": final_step(steps, keep_best=True).logits,
        "the highest estimate of the ten": logits[[scores.argmax()]],
        "the highest estimate and agreement with the others": logits[[_agreed(logits, scores)]],
        "the ten's mean": shares.mean(axis=0)[None] - 0.5,
        "the ten's mean, weighed by their estimates": weighed[None] - 0.5,
        "the first step alone": steps[0].logits,
    }


def _agreed(logits: np.ndarray, scores: np.ndarray) -> int:
    """The mask whose estimate and mean IoU with the others, weighed by theirs, are highest."""
    flat = (logits > 0).reshape(len(logits), -1).astype(np.float32)
    shared = flat @ flat.T
    either = flat.sum(1)[:, None] + flat.sum(1) - shared
    overlaps = shared / np.maximum(either, 1)
    sure = scores.clip(0, 1) ** 2
    return int((scores + (overlaps @ sure) / sure.sum()).argmax())


if __name__ == "__main__":
    typer.run(main)
