"""Measure the recipes, and the default with one cell changed at a time.

    python benchmarks/variants.py DATA [--model pocket] [--json benchmarks/variants.json]

DATA is in PerSeg's layout. Prints a Markdown table.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import persam
from persam.evaluation.benchmark import environment, evaluate_perseg
from persam.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.evaluation.benchmark import Learner
    from persam.variants import Method

METHODS: dict[Method, Learner] = {"persam": persam.personalize, "persam-f": persam.finetune}
CHANGES = {
    "prior mask": {"prior_mask": 0.0},
    "contrast": {"contrast": 0.0},
    "absence": {"min_presence": 0.0},
    "smoothing": {"smoothing": 0.0},
    "three positive points": {"positive_points": 1},
    "points on parts": {"parts": 0},
    "negative point": {"negative_point": False},
    "guided attention": {"guided_attention": False},
    "semantic prompt": {"semantic_prompt": False},
    "refinement 1": {"refine_mask": False},
    "refinement 2": {"refine_box": False},
    "keeping the best step": {"keep_best": False},
    "one piece": {"one_piece": False},
}
ON = {"prior_mask": 3.0, "smoothing": 0.5, "positive_points": 3, "parts": 5}


def rows(method: Method, own: str) -> Iterator[tuple[str, Variant]]:
    """The recipes of a method, and the default with each cell switched the other way."""
    default = Variant.named(own, method)
    # The official schedule and the fast fit reach the same loss; the schedule takes minutes.
    yield "official", replace(Variant.named("official", method), fit="fast")
    yield "default", default
    for name, off in CHANGES.items():
        field, value = next(iter(off.items()))
        if getattr(default, field) != value:
            yield f"default without {name}", replace(default, **off)
        else:
            yield f"default with {name}", replace(default, **{field: ON.get(field, True)})


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every row and print the table."""
    backbone = persam.load(model)
    found = []
    typer.echo("| method | recipe | mIoU | boundary IoU | first point on the object |")
    typer.echo("| --- | --- | --- | --- | --- |")
    for method, learn in METHODS.items():
        for name, variant in rows(method, backbone.recipe):
            report = evaluate_perseg(partial(learn, variant=variant), backbone, data)
            figures = [round(100 * x, 1) for x in (report.miou, report.biou, report.point_hit)]
            typer.echo(f"| {method} | {name} | {' | '.join(str(x) for x in figures)} |")
            found.append(
                {
                    "method": method,
                    "recipe": name,
                    "miou": report.miou,
                    "biou": report.biou,
                    "point_hit": report.point_hit,
                    "variant": json.loads(variant.to_json()),
                }
            )
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        out.write_text(json.dumps({**facts, "rows": found}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
