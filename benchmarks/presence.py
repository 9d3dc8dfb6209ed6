"""Calibrate presence for the built-in model, and measure it.

    python benchmarks/presence.py DATA [--model pocket] [--json benchmarks/presence.json]

DATA is in PerSeg's layout with five photos an object, its objects named <class>_<number>. Every
object is looked for in its own photos and in one photo of every other object. Every other class is
for fitting: the numbers of the calibration and the threshold come from these objects alone, and are
reported on the others. No decoder is asked. Prints Markdown tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from lib.lookalikes import next_of_kind
from lib.presence import area_under_roc, calibration_error, false_alarms
from scipy.optimize import minimize

import persam
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment
from persam.pipeline import presence, similarity
from persam.pipeline.features import ObjectFeatures, ReferenceFeatures
from persam.pipeline.presence import calibrate
from persam.structures import Calibration, unit_length

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.evaluation.datasets import Dataset

REFERENCES = (1, 2, 3)
RECALL = 0.98  # of the fitting objects' photos, which the threshold keeps at least
SHARE = 0.2  # of the way that a middle is moved, to see what that brings
FINEST = 0.05  # of the threshold


@dataclass(frozen=True)
class Trial:
    """One object looked for in one photo.

    Attributes:
        sought, shown: names of the two objects.
        views: how many references the object was learnt from.
        likeness: of the photo to the object.
        own: mean likeness of the references to each other; None of a single one.
        alone: presence by the references alone, without the model's calibration; None likewise.
    """

    sought: str
    shown: str
    views: int
    likeness: float
    own: float | None
    alone: float | None

    @property
    def present(self) -> bool:
        return self.sought == self.shown

    @property
    def same_kind(self) -> bool:
        return kind(self.sought) == kind(self.shown)

    def chance(self, calibration: Calibration, share: float = 0.0) -> float:
        """Presence by a calibration, its middle moved towards how like the references are."""
        middle = calibration.middle
        if self.own is not None:
            middle += share * (self.own - middle)
        return Calibration(middle, calibration.slope).presence(self.likeness)


@dataclass(frozen=True, eq=False)
class Seen:
    """All photos as presence sees them, by object and number: cells, and what a view is made of."""

    cells: dict[tuple[str, int], np.ndarray]
    views: dict[tuple[str, int], ReferenceFeatures]


def kind(name: str) -> str:
    return name.rpartition("_")[0]


def look(backbone: Any, data: Dataset) -> Seen:
    """Encode every photo once."""
    cells, views = {}, {}
    for subject in data.subjects:
        for number, photo in enumerate(subject.photos):
            image, truth = photo.read()
            embedding = backbone.encode(image)
            cells[subject.name, number] = presence.picture_vectors(embedding)
            on = similarity.covered_cells(truth, embedding.frame, embedding.cells.shape[:2])
            away = similarity.background_cells(on, embedding.frame)
            mean = similarity.pool(embedding.matching[0], on, "mean")
            views[subject.name, number] = ReferenceFeatures(
                unit_length(mean), mean, embedding.cells[on], embedding.cells[away]
            )
    return Seen(cells, views)


def trials(seen: Seen, names: Sequence[str], count: int) -> list[Trial]:
    """Objects learnt from their first ``count`` photos, looked for in the photos after these.

    Absent ones are looked for in the other object's second photo, or in its fourth where the second
    and third may be references.
    """
    found = []
    for sought in names:
        views = [seen.views[sought, number] for number in range(count)]
        foregrounds = [view.foreground for view in views]
        others = [foregrounds[:n] + foregrounds[n + 1 :] for n in range(count)]
        pairs = zip((seen.cells[sought, n] for n in range(count)), others, strict=True)
        own = fmean(presence.likeness(*pair) for pair in pairs) if count > 1 else None
        alone = calibrate(views, None)
        first = 1 if count == 1 else 3
        for shown in names:
            for number in range(first, 5) if shown == sought else (first,):
                like = presence.likeness(seen.cells[shown, number], foregrounds)
                chance = None if alone is None else alone.presence(like)
                found.append(Trial(sought, shown, count, like, own, chance))
    return found


def sides(found: Sequence[Trial], score: Callable[[Trial], float]) -> tuple[list, list]:
    """Scores of the present and of the absent."""
    pairs = [(trial.present, score(trial)) for trial in found]
    return [s for present, s in pairs if present], [s for present, s in pairs if not present]


def log_loss(found: Sequence[Trial], calibration: Calibration) -> float:
    """Mean surprise, the present as heavy as the absent."""
    there, away = (np.array(side) for side in sides(found, lambda t: t.chance(calibration)))
    small = 1e-12
    return float(-np.log(there + small).mean() - np.log(1 - away + small).mean())


def fitted(found: Sequence[Trial]) -> tuple[Calibration, float]:
    """Middle and slope by log loss, and the highest threshold that keeps enough."""
    best = minimize(
        lambda x: log_loss(found, Calibration(x[0], abs(x[1]) + 1e-3)),
        (0.3, 40.0),
        method="Nelder-Mead",
    )
    slope = max(0.1, round(float(abs(best.x[1])), 1))
    plain = Calibration(round(float(best.x[0]), 3), slope)
    least = max(step for step in np.arange(0, 1, FINEST) if kept(found, plain, step) >= RECALL)
    return plain, round(float(least), 2)


def moved(calibration: Calibration, trial: Trial) -> float:
    return trial.chance(calibration, SHARE)


def kept(found: Sequence[Trial], calibration: Calibration, least: float) -> float:
    """Share of the photos with the object that are not emptied."""
    there, _ = sides(found, lambda trial: trial.chance(calibration))
    return fmean(chance >= least for chance in there)


def figures(
    found: Sequence[Trial], score: Callable[[Trial], float], least: float
) -> dict[str, Any]:
    there, away = sides(found, score)
    _, same = sides([trial for trial in found if trial.present or trial.same_kind], score)
    return {
        "present": len(there),
        "absent": len(away),
        "auc": area_under_roc(there, away),
        "auc_same_kind": area_under_roc(there, same),
        "false_alarms_at_95": false_alarms(there, away),
        "calibration_error": calibration_error(there, away),
        "kept": fmean(chance >= least for chance in there),
        "emptied": fmean(chance < least for chance in away),
    }


def rivals(seen: Seen, data: Dataset, calibration: Calibration, least: float) -> list[dict]:
    """An object's photos against those of the next of its kind, shown as a rival or not."""
    found = {False: ([], []), True: ([], [])}
    for subject in data.subjects:
        other = next_of_kind(subject, data)
        if other is None:
            continue
        for warned, (there, away) in found.items():
            against = [seen.views[other.name, 0]] if warned else []
            known = ObjectFeatures.of([seen.views[subject.name, 0]], against, 0)
            for number in range(1, 5):
                for name, side in ((subject.name, there), (other.name, away)):
                    like = presence.likeness_of(seen.cells[name, number], known)
                    side.append(calibration.presence(like))
    return [
        {
            "warned": warned,
            "auc": area_under_roc(there, away),
            "kept": fmean(chance >= least for chance in there),
            "emptied": fmean(chance < least for chance in away),
        }
        for warned, (there, away) in found.items()
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(rows[0])} |", f"|{' --- |' * len(rows[0])}"]
    for row in rows:
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    data: Path,
    model: str = "pocket",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Calibrate on half of the classes, report on the other half and on all."""
    backbone, dataset = persam.load(model), datasets.perseg(data)
    seen = look(backbone, dataset)
    names = [subject.name for subject in dataset.subjects]
    kinds = sorted({kind(name) for name in names})
    halves = {
        "fitting": [name for name in names if kinds.index(kind(name)) % 2 == 0],
        "reporting": [name for name in names if kinds.index(kind(name)) % 2 == 1],
        "all": names,
    }
    found = {
        half: [trial for count in REFERENCES for trial in trials(seen, members, count)]
        for half, members in halves.items()
    }
    calibration, least = fitted([trial for trial in found["fitting"] if trial.views == 1])
    typer.echo(f"{calibration}; threshold {least}; the model has {backbone.calibration}\n")
    rows = []
    for half, members in found.items():
        for count in REFERENCES:
            some = [trial for trial in members if trial.views == count]
            facts = {"objects": half, "references": count, "by": "the model's calibration"}
            rows.append(facts | figures(some, lambda trial: trial.chance(calibration), least))
            if count > 1:
                facts["by"] = "the same, moved by the references"
                rows.append(facts | figures(some, partial(moved, calibration), least))
                facts["by"] = "the references alone"
                rows.append(facts | figures(some, lambda trial: float(trial.alone or 0), 0.1))
    typer.echo(table(rows))
    warned = rivals(seen, dataset, calibration, least)
    typer.echo("\n" + table(warned))
    if out is not None:
        facts = {"model": model, "version": persam.__version__, "environment": environment()}
        facts |= {"calibration": asdict(calibration), "threshold": least}
        facts |= {"halves": {half: len(members) for half, members in halves.items()}}
        facts |= {"rows": rows, "rivals": warned}
        out.write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
