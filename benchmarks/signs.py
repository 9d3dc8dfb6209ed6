"""Which signs say whether an object is in a photo? Likeness, and others beside it.

    python benchmarks/signs.py DATA [--model pocket] [--json benchmarks/signs.json]

DATA is in PerSeg's layout, its objects named <class>_<number>. Every object is learnt from its
first photo and looked for in its others and in the second photo of every other object. Each sign is
judged alone (area under the ROC curve) and with likeness in a logistic model, fitted on half of the
classes, drawn at random, and judged on the others, mean over 20 draws. Prints a Markdown table.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from lib.presence import area_under_roc, calibration_error
from scipy.optimize import minimize

import persam
from persam.concept import Concept
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.pipeline import presence, similarity
from persam.pipeline.decoder import decode
from persam.structures import Embedding, unit_length

DRAWS = 20
STEADY = 1e-4  # weight decay of the logistic model


def signs(concept: Concept, embedding: Embedding) -> dict[str, float]:
    """All signs of one object in one photo."""
    seen = concept.locate(embedding)
    step = decode(concept, embedding, seen.prompts, seen.guidance)[-1]
    inside = np.ones(embedding.cells.shape[:2], dtype=bool)
    if step.mask.any():
        inside = similarity.covered_cells(step.mask, embedding.frame, inside.shape)
    found, vectors = embedding.cells[inside], presence.picture_vectors(embedding)
    between = concept.features.foreground @ vectors.T
    back = concept.features.foreground @ found.T
    return {
        "likeness": float(seen.likeness or 0.0),
        "cosine to the target feature, largest": float(
            (vectors @ concept.features.target_feature).max()
        ),
        "location prior, largest": float(seen.similarity.max()),
        "location prior, spread": float(seen.similarity.std()),
        "decoder's score": step.score,
        "likeness within the found mask": float(back.max(axis=1).mean()),
        "found mask's cells back to the object": float(back.max(axis=0).mean()),
        "found mask's mean to the target feature": float(
            unit_length(found.mean(axis=0)) @ concept.features.target_feature
        ),
        "cells that are each other's nearest": float(
            (between.argmax(0)[between.argmax(1)] == np.arange(len(between))).mean()
        ),
        "likeness to its own background": float(
            (concept.features.foreground @ concept.features.background.T).max(axis=1).mean()
            if len(concept.features.background)
            else 0.0
        ),
        "cells of the object, logarithm": float(np.log(len(concept.features.foreground))),
    }


def joined(values: np.ndarray, present: np.ndarray, kinds: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve and calibration error of a logistic model, on classes not seen."""
    names, found = np.unique(kinds), []
    for draw in range(DRAWS):
        chosen = np.random.default_rng(draw).permutation(names)[: len(names) // 2]
        sides = np.isin(kinds, chosen)
        train, test = sides.all(1), ~sides.any(1)
        inputs = (values - values[train].mean(0)) / (values[train].std(0) + 1e-9)
        inputs = np.column_stack([np.ones(len(inputs)), inputs])
        weights = _logistic(inputs[train], present[train])
        chance = 1 / (1 + np.exp(-inputs[test] @ weights))
        pair = chance[present[test]].tolist(), chance[~present[test]].tolist()
        found.append((area_under_roc(*pair), calibration_error(*pair)))
    area, error = np.mean(found, axis=0)
    return float(area), float(error)


def _logistic(inputs: np.ndarray, present: np.ndarray) -> np.ndarray:
    heavy = np.where(present, 0.5 / present.sum(), 0.5 / (~present).sum())

    def loss(weights: np.ndarray) -> float:
        odds = inputs @ weights
        surprise = heavy @ (np.logaddexp(0, odds) - present * odds)
        return float(surprise + STEADY * (weights[1:] ** 2).sum())

    return minimize(loss, np.zeros(inputs.shape[1]), method="L-BFGS-B").x


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Judge every sign and print the table."""
    backbone, subjects = persam.load(model), datasets.perseg(data).subjects
    always = replace(persam.Variant.named(backbone.recipe, "persam"), min_presence=0.0)
    concepts = {
        s.name: persam.personalize(
            backbone, s.reference.image, mask=s.reference.mask, variant=always
        )
        for s in subjects
    }
    found, present, kinds = [], [], []
    for shown in subjects:
        for photo in shown.targets:
            embedding = backbone.encode(photo.read()[0])
            for sought in subjects if photo is shown.targets[0] else (shown,):
                found.append(signs(concepts[sought.name], embedding))
                present.append(sought is shown)
                kinds.append((sought.kind, shown.kind))
    there, pairs = np.array(present), np.array(kinds)
    rows: list[dict[str, Any]] = []
    typer.echo("| sign | alone, AUC | with likeness, AUC | calibration error |\n|" + " --- |" * 4)
    likeness = np.array([one["likeness"] for one in found])
    for name in found[0]:
        value = np.array([one[name] for one in found])
        alone = area_under_roc(value[there].tolist(), value[~there].tolist())
        columns = [likeness] if name == "likeness" else [likeness, value]
        area, error = joined(np.column_stack(columns), there, pairs)
        rows.append({"sign": name, "auc": alone, "with_likeness": area, "error": error})
        typer.echo(f"| {name} | {alone:.3f} | {area:.3f} | {error:.3f} |")
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": rows}, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
