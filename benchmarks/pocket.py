"""Measure the built-in model: every figure that it is judged by, beside its goal.

    python benchmarks/pocket.py DATA [--duts TAR] [--model pocket] [--json benchmarks/pocket.json]
                                [--only NAME]...

DATA is in PerSeg's layout, its objects named <class>_<number>; TAR holds DUTS's test pictures as
<stem>.webp beside <stem>.png. Prints a Markdown table, its rows as soon as they are known.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from math import prod
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer
from lib.lookalikes import evaluate_lookalikes
from lib.presence import evaluate_presence, probability, summarise
from lib.prompted import box_prompt, evaluate_prompts
from lib.speed import at_long_side, photos_per_second
from safetensors import safe_open

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment, evaluate_perseg
from persam.io.images import read_image
from persam.io.pairs import read_pairs
from persam.metrics import iou
from persam.pipeline.one_piece import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from lib.presence import Trial

    from persam.evaluation.benchmark import Learner
    from persam.evaluation.datasets import Dataset
    from persam.prediction import Prediction

SECOND_PIECE = 0.2  # of the first piece's area
LONG_SIDE = 640  # pixels of the photos that are timed


@dataclass(frozen=True)
class Row:
    """One figure: IoUs in percent, shares and areas in 0..1."""

    figure: str
    value: float
    goal: float | None = None
    at_most: bool = False

    def __str__(self) -> str:
        digits = 0 if isinstance(self.value, int) else 3 if self.value <= 1 else 2
        bound = "at most" if self.at_most else "at least"
        goal = "" if self.goal is None else f"{bound} {self.goal:g}"
        return f"| {self.figure} | {self.value:.{digits}f} | {goal} |"


@dataclass(frozen=True)
class Finding:
    """The rows of one measurement, and what they are made of, as JSON can hold it."""

    rows: tuple[Row, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What is measured, and on what."""

    backbone: Any
    weights: Path
    data: Dataset
    duts: tuple[Path, ...]


def method(bench: Bench, learn: Learner, name: str, goal: float) -> Finding:
    report = evaluate_perseg(learn, bench.backbone, bench.data)
    rows = (
        Row(f"{name}, mIoU", 100 * report.miou, goal),
        Row(f"{name}, boundary IoU", 100 * report.biou),
        Row(f"{name}, first point on the object", report.point_hit, 0.95),
    )
    objects = {
        key: {"iou": row.iou, "biou": row.biou, "point_hit": row.point_hit}
        for key, row in report.objects.items()
    }
    return Finding(rows, objects)


def perseg_persam(bench: Bench) -> Finding:
    return method(bench, persam.personalize, "PerSAM", 76)


def perseg_persam_f(bench: Bench) -> Finding:
    return method(bench, persam.finetune, "PerSAM-F", 78)


def shares(bench: Bench) -> Finding:
    ious, parted = [], []
    for subject in bench.data.subjects:
        shown = subject.reference
        concept = persam.personalize(bench.backbone, shown.image, mask=shown.mask)
        for photo in subject.targets:
            image, truth = photo.read()
            mask = concept.segment(image).mask
            ious.append(iou(mask, truth))
            parted.append(len(pieces_of(mask, SECOND_PIECE)) > 1)
    rows = (
        Row("photos below an IoU of 0.5", fmean(one < 0.5 for one in ious), 0.10, at_most=True),
        Row("masks with a second piece above a fifth", fmean(parted), 0.04, at_most=True),
    )
    return Finding(rows)


def prompts(bench: Bench) -> Finding:
    photos = [(s.kind, photo) for s in bench.data.subjects for photo in s.photos]
    reports = evaluate_prompts(bench.backbone, (photo.read() for _, photo in photos))
    rows: list[Row] = []
    kinds: dict[str, dict[str, float]] = {}
    for name, said, goal in (("box", "true box", 88), ("centre", "centre point", 78)):
        report = reports[name]
        rows += [
            Row(f"{said}, mIoU of the single mask", 100 * report.single, goal),
            Row(f"{said}, mIoU of the chosen of three masks", 100 * report.miou),
            Row(f"{said}, mIoU of the best of three masks", 100 * report.best),
            Row(f"{said}, error of the IoU estimate", report.estimate_error),
        ]
        ious = [answer.single for answer in report.answers]
        kinds[name] = _means(zip((kind for kind, _ in photos), ious, strict=True))
    return Finding(tuple(rows), kinds)


def duts(bench: Bench) -> Finding:
    pictures = pair_pictures(bench.duts)
    asked = evaluate_prompts(bench.backbone, pictures, {"box": box_prompt})["box"]
    rows = (
        Row("DUTS test, true box, mIoU of the single mask", 100 * asked.single, 88),
        Row("DUTS test, true box, mIoU of the chosen of three masks", 100 * asked.miou),
        Row("DUTS test, true box, mIoU of the best of three masks", 100 * asked.best),
        Row("DUTS test, true box, error of the IoU estimate", asked.estimate_error),
    )
    return Finding(rows, {"pictures": len(asked.answers)})


def presence(bench: Bench) -> Finding:
    found: list[Prediction] = []

    def keeping(prediction: Prediction) -> float:
        found.append(prediction)
        return probability(prediction)

    report = evaluate_presence(persam.personalize, bench.backbone, bench.data, score=keeping)
    pairs = list(zip(report.trials, found, strict=True))
    own = summarise([replace(trial, score=prediction.score) for trial, prediction in pairs])
    empty = [not prediction.mask.any() for trial, prediction in pairs if not trial.present]
    areas = (
        ("present or not by presence, area under ROC", report.auc, 0.95),
        ("the same, absent ones of the same class", report.auc_same_kind, None),
        ("the same, absent ones of other classes", report.auc_other_kind, None),
        ("present or not by the mask's own score, area under ROC", own.auc, None),
        ("absent: mask left empty", fmean(empty), None),
    )
    rows = tuple(Row(said, area, goal) for said, area, goal in areas if area is not None)
    kinds = {subject.name: subject.kind for subject in bench.data.subjects}
    groups: dict[str, list[Trial]] = {}
    for trial in report.trials:
        groups.setdefault(kinds[trial.sought], []).append(trial)
    return Finding(rows, {kind: summarise(trials).auc for kind, trials in groups.items()})


def lookalikes(bench: Bench) -> Finding:
    report = evaluate_lookalikes(persam.personalize, bench.backbone, bench.data)
    rows = (
        Row("look-alike beside it, right one taken", report.right, 0.93),
        Row("look-alike beside it, mIoU", 100 * report.miou),
        Row("look-alike beside it, pictures", len(report.choices)),
        Row("look-alike beside it, photos without room for one", report.left_out),
    )
    kinds = {subject.name: subject.kind for subject in bench.data.subjects}
    right = ((kinds[choice.name], float(choice.right)) for choice in report.choices)
    return Finding(rows, _means(right))


def speed(bench: Bench) -> Finding:
    reference = bench.data.subjects[0].reference
    concept = persam.personalize(bench.backbone, reference.image, mask=reference.mask)
    targets = [photo for subject in bench.data.subjects for photo in subject.targets]
    images = [at_long_side(read_image(photo.image), LONG_SIDE) for photo in targets]
    return Finding((Row("photos a second", photos_per_second(concept, images), 15),))


def weight(bench: Bench) -> Finding:
    megabytes = bench.weights.stat().st_size / 1e6
    with safe_open(bench.weights, framework="np") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    millions = sum(map(prod, shapes)) / 1e6
    rows = (
        Row("weights in the package, MB", megabytes, 12, at_most=True),
        Row("parameters, millions", millions),
    )
    return Finding(rows)


FIGURES: dict[str, Callable[[Bench], Finding]] = {
    "persam": perseg_persam,
    "persam-f": perseg_persam_f,
    "shares": shares,
    "prompts": prompts,
    "duts": duts,
    "presence": presence,
    "lookalikes": lookalikes,
    "speed": speed,
    "weight": weight,
}


def pair_pictures(tars: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pictures of tars with their masks, which are object above half of white."""
    for pair in read_pairs(tars):
        yield pair.read()


def _means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of every group of (group, value)."""
    groups: dict[str, list[float]] = {}
    for group, value in pairs:
        groups.setdefault(group, []).append(value)
    return {group: fmean(values) for group, values in groups.items()}


def chosen(only: list[str] | None, tars: Sequence[Path]) -> list[str]:
    """The figures to measure, in the table's order; DUTS only where its tar is given."""
    unknown = sorted(set(only or ()) - set(FIGURES))
    if unknown:
        known = ", ".join(FIGURES)
        raise typer.BadParameter(f"no figure {', '.join(unknown)}; there are {known}.")
    if only and "duts" in only and not tars:
        raise typer.BadParameter("duts needs --duts with the tar of its test pictures.")
    asked = only or [name for name in FIGURES if name != "duts" or tars]
    return [name for name in FIGURES if name in asked]


def weights_file(model: str) -> Path:
    """Where the weights of the built-in model lie, or those given in their place."""
    packaged = Path(str(resources.files("persam.weights") / "pocket.safetensors"))
    file = packaged if model == "pocket" else Path(model)
    if not file.is_file():
        raise typer.BadParameter(f"--model is pocket, or a file with its weights; got {model}.")
    return file


def main(
    data: Path,
    duts_tar: Annotated[Path | None, typer.Option("--duts")] = None,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
    only: Annotated[list[str] | None, typer.Option()] = None,
) -> None:
    """Measure every figure and print the table; --model may be a file of other pocket weights."""
    tars = () if duts_tar is None else (duts_tar,)
    names, file = chosen(only, tars), weights_file(model)
    bench = Bench(persam.load(model), file, datasets.perseg(data), tars)
    found: dict[str, Finding] = {}
    typer.echo("| figure | value | goal |\n| --- | --- | --- |")
    for name in names:
        found[name] = FIGURES[name](bench)
        typer.echo("\n".join(str(row) for row in found[name].rows))
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        figures = {name: asdict(finding) for name, finding in found.items()}
        out.write_text(json.dumps({**facts, "figures": figures}, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
