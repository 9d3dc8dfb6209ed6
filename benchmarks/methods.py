"""PerSAM and what came after it, on one data set and with one model's features.

    python benchmarks/methods.py DATA [--model pocket] [--match-with dinov2-small]
                                 [--objects 8] [--only METHOD] [--out runs/methods]
                                 [--json benchmarks/methods.json]

DATA is in PerSeg's layout. Prints a Markdown table, its rows as soon as they are known. A stopped
run goes on where it was, from the folder of --out; masks there of other settings are refused.
``--only persam --only persam-f`` measures these rows of the JSON again and leaves the others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment, evaluate
from persam.evaluation.method_names import resolve_method
from persam.evaluation.methods.insid3 import Insid3Options, insid3

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report
    from persam.methods.learner import Learner

NAMES = ("persam", "persam-f", "p2sam", "matcher", "gf-sam", "nearest-neighbour", "insid3")
# Cosines between the pocket model's patches are lower than between DINOv3's, for which INSID3's
# thresholds are made. These were chosen on every eighth object from the fourth on.
LOWER = Insid3Options(similarity=0.3, join=0.02)
TITLES = "| method | mIoU | boundary IoU | seconds to learn | seconds a photo | not learnt |"


def methods(*, official: bool) -> dict[str, Learner]:
    """Every method by the name of its row."""
    every = {name: resolve_method(name) for name in NAMES}
    every["insid3, lower thresholds"] = partial(insid3, options=LOWER)
    if official:
        every["persam, official"] = partial(persam.personalize, variant="official")
    return every


def row(name: str, report: Report) -> dict[str, Any]:
    """The figures of one method; seconds are those of one process on this machine."""
    finding = None
    if report.seconds is not None and report.learn_seconds is not None:
        finding = round((report.seconds - report.learn_seconds) / report.photos, 3)
    learning = report.learn_seconds
    return {
        "method": name,
        "miou": report.miou,
        "biou": report.biou,
        "point_hit": report.point_hit,
        "seconds_to_learn": None if learning is None else round(learning / len(report.objects), 3),
        "seconds_a_photo": finding,
        "not_learnt": len(report.failed),
        "objects": {name: round(one.iou, 4) for name, one in report.objects.items()},
    }


def spread(dataset: Dataset, count: int | None) -> Dataset:
    """So many objects, evenly over the data set; all where none is given."""
    if count is None or count >= len(dataset.subjects):
        return dataset
    step = len(dataset.subjects) / count
    return replace(dataset, subjects=tuple(dataset.subjects[int(i * step)] for i in range(count)))


def told(found: dict[str, Any]) -> str:
    """A row as the table has it."""
    cells = (found["seconds_to_learn"], found["seconds_a_photo"], found["not_learnt"])
    shares = " | ".join(f"{100 * found[key]:.1f}" for key in ("miou", "biou"))
    return f"| {found['method']} | {shares} | {' | '.join(map(str, cells))} |"


def main(  # noqa: PLR0913, PLR0917  (options of a command)
    data: Path,
    model: str = "pocket",
    match_with: str | None = None,
    objects: Annotated[int | None, typer.Option(help="So many objects, evenly spread.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Measure this row again.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the masks here, and go on here.")] = None,
    report: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every method and print the table."""
    backbone = persam.load(model, match_with=match_with)
    dataset = spread(datasets.perseg(data), objects)
    every = methods(official=True)
    if not set(only or ()) <= set(every):
        raise typer.BadParameter(f"The rows are {', '.join(every)}.")
    facts = {
        "model": str(backbone.name),
        "objects": len(dataset.subjects),
        "photos": dataset.photos,
        "insid3_lower_thresholds": asdict(LOWER),
        "version": persam.__version__,
    }
    rows = kept(report, facts) if only else {}
    typer.echo(f"{TITLES}\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, method in every.items():
        if only and name not in only:
            if name in rows:
                typer.echo(told(rows[name]))
            continue
        # A row that is asked for by name is made anew, whatever lies in the folder.
        folder = None if only or out is None else out / name.replace(", ", "-").replace(" ", "-")
        rows[name] = row(name, evaluate(method, backbone, dataset, out=folder))
        typer.echo(told(rows[name]))
    if report is not None:
        listed = [rows[name] for name in every if name in rows]
        whole = {**facts, "environment": environment(), "rows": listed}
        report.write_text(json.dumps(whole, indent=2) + "\n")


def kept(report: Path | None, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of an earlier measurement, by method.

    Raises:
        typer.BadParameter: there is none, or it is of other data or another model.
    """
    if report is None or not report.exists():
        raise typer.BadParameter("--only changes rows of a report; name it by --json.")
    before = json.loads(report.read_text())
    other = [name for name, value in facts.items() if before.get(name) != value]
    if other:
        raise typer.BadParameter(f"{report} differs in {', '.join(other)}; measure all rows again.")
    return {one["method"]: one for one in before["rows"]}


if __name__ == "__main__":
    typer.run(main)
