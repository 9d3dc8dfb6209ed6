"""Which part is worth how much: the paper's ablation, and its mask, box and points as reference.

A recipe is taken apart into the components that it has, and put together again one by one in the
paper's order: points, refinement, guided attention, semantic prompt, scale weights.
"""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

from persam import __version__
from persam.evaluation.ablation_cells import CAPTIONS, TITLES, cells, published_cells
from persam.evaluation.predictions import Predictions
from persam.evaluation.published import ABLATION, REFERENCES
from persam.evaluation.reports import AsJson, environment
from persam.evaluation.running import Job, describe, predict
from persam.evaluation.scores import dataset_settings, score
from persam.evaluation.showing import SHOWN, Showing, show
from persam.evaluation.tables import table
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.variants import Fit, Method, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report
    from persam.evaluation.running import OnPhoto
    from persam.models.base import Backbone

Table = Literal["official", "own", "official references", "references"]
START = "positive point"
SCALE = "+ scale weights"
# Components in the paper's order, then those that are not in it; each with its fields switched off.
PARTS: Mapping[str, Mapping[str, Any]] = {
    "negative point": {"negative_point": False},
    "refinement": {"refine_mask": False, "refine_box": False, "keep_best": False},
    "guided attention": {"guided_attention": False},
    "semantic prompt": {"semantic_prompt": False},
    "centred features": {"centre": False},
    "contrast with the background": {"contrast": 0.0},
    "smoothed similarity": {"smoothing": 0.0},
    "location prior as mask": {"prior_mask": 0.0},
    "points on parts": {"parts": 0},
    "absence": {"min_presence": 0.0},
}
_OFFICIAL_PARTS = ("negative point", "refinement", "guided attention", "semantic prompt")
_LEARN = {"persam": personalize, "persam-f": finetune}


@dataclass(frozen=True)
class AblationRow:
    """One recipe to measure.

    Attributes:
        table: which table it is a row of.
        name: what it adds, or how the object is shown.
        method: of the two.
        variant: the recipe.
        shown: how the reference shows the object.
    """

    table: Table
    name: str
    method: Method
    variant: Variant
    shown: Showing = "mask"


@dataclass(frozen=True)
class Measured:
    """What a row came to; shares 0..1, and the paper's mIoU in percent where it has the row."""

    row: AblationRow
    miou: float
    biou: float
    point_hit: float | None
    failed: Mapping[str, str]
    paper: float | None


@dataclass(frozen=True)
class Ablation(AsJson):
    """All rows, and what they depend on.

    Attributes:
        rows: in the order of the tables.
        settings: data set and model.
        seconds: of learning and finding, for all rows together, which share the encoding of every
            picture; as logged, in however many starts. None where something was not logged.
        version: of persam.
        environment: as in a :class:`~persam.evaluation.reports.Report`.
    """

    rows: tuple[Measured, ...]
    settings: Mapping[str, Any]
    seconds: float | None
    version: str = __version__
    environment: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(
        default_factory=environment
    )

    def markdown(self) -> str:
        """The tables as Markdown."""
        parts = [
            f"{CAPTIONS[name]}\n\n{table([*map(cells, rows), *published_cells(name)], TITLES)}"
            for name in get_args(Table)
            if (rows := [row for row in self.rows if row.row.table == name])
        ]
        return "\n\n".join(parts) + "\n"


def plan(own: str, fit: Fit = "fast") -> tuple[AblationRow, ...]:
    """The rows of all tables.

    Args:
        own: name of the model's own recipe. Its own table is left out where it has no component
            beyond the official ones.
        fit: how PerSAM-F's weights are found in the official recipe. ``"fast"`` reaches the same
            loss or a lower one, in a moment; ``"official"`` runs the 1,000 steps.
    """
    official = {
        method: dataclasses.replace(Variant.named("official", method), fit=fit)
        for method in get_args(Method)
    }
    recipes = {method: Variant.named(own, method) for method in get_args(Method)}
    rows = [*_cumulative("official", official["persam"], official["persam-f"])]
    if set(parts(recipes["persam"])) - set(_OFFICIAL_PARTS):
        rows += _cumulative("own", recipes["persam"], recipes["persam-f"])
    rows += [*_shown("official references", official), *_shown("references", recipes)]
    return tuple(rows)


def parts(variant: Variant) -> tuple[str, ...]:
    """The components of a recipe, by the names and in the order of ``PARTS``."""
    return tuple(
        name
        for name, off in PARTS.items()
        if any(getattr(variant, field) != value for field, value in off.items())
    )


def ablate(  # noqa: PLR0913  (what is run, on what; where it is kept, and under which name)
    backbone: Backbone,
    dataset: Dataset,
    rows: Sequence[AblationRow],
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    on_photo: OnPhoto | None = None,
) -> Ablation:
    """Measure every row; each picture is encoded once for all of them.

    Args:
        backbone: the model.
        dataset: in PerSeg's layout.
        rows: what :func:`plan` gave.
        out: folder for the predictions, one folder a row; the same call goes on where it was
            stopped. None keeps nothing.
        settings: what else the predictions depend on, as JSON can hold it.
        on_photo: called with subject and stem after each photo of each row.

    Raises:
        InputError: a file of the data set cannot be used, ``out`` holds the predictions of other
            settings.
    """
    facts = {
        **dataset_settings(dataset),
        "model": str(backbone.name),
        "device": str(backbone.device),
        **(settings or {}),
    }
    with nullcontext(out) if out is not None else TemporaryDirectory(prefix="persam-") as folder:
        jobs = [_job(row, Path(folder) / f"{number:02d}", facts) for number, row in enumerate(rows)]
        predict(jobs, backbone, dataset, on_photo)
        reports = [score(dataset, job.kept) for job in jobs]
    measured = (_measured(row, report) for row, report in zip(rows, reports, strict=True))
    logged = [report.seconds for report in reports if report.seconds is not None]
    seconds = round(sum(logged), 1) if len(logged) == len(rows) else None
    return Ablation(tuple(measured), facts, seconds, environment=reports[0].environment)


def _shown(table_name: Table, recipes: Mapping[Method, Variant]) -> list[AblationRow]:
    """Every way to show the object, to both methods."""
    return [
        AblationRow(table_name, name, method, recipes[method], name)
        for method in get_args(Method)
        for name in SHOWN
    ]


def _cumulative(table_name: Table, recipe: Variant, scaled: Variant) -> Iterator[AblationRow]:
    """From the positive point to the whole recipe, then with scale weights."""
    off = {field: value for fields in PARTS.values() for field, value in fields.items()}
    variant = dataclasses.replace(recipe, **off)
    yield AblationRow(table_name, START, "persam", variant)
    for name in parts(recipe):
        given = {field: getattr(recipe, field) for field in PARTS[name]}
        variant = dataclasses.replace(variant, **given)
        yield AblationRow(table_name, f"+ {name}", "persam", variant)
    # As the paper counts it: the two weights on top of everything else.
    yield AblationRow(table_name, SCALE, "persam-f", dataclasses.replace(variant, fit=scaled.fit))
    # As its recipe has it, which for the official script is without the parts that are PerSAM's.
    yield AblationRow(table_name, "PerSAM-F's own recipe", "persam-f", scaled)


def _job(row: AblationRow, folder: Path, facts: Mapping[str, Any]) -> Job:
    learner = partial(_LEARN[row.method], variant=row.variant)
    told = {**facts, "learner": describe(learner), "shown": row.shown}
    # A row that learns nothing at all is a result, too, not a reason to drop the others.
    return Job(show(learner, row.shown), Predictions.start(folder, told), patience=None)


def _measured(row: AblationRow, report: Report) -> Measured:
    if row.table in ("official references", "references"):
        paper = REFERENCES.get((row.method, row.shown))
    else:
        paper = ABLATION.get(row.name) if row.table == "official" else None
    failed = dict(report.failed)
    return Measured(row, report.miou, report.biou, report.point_hit, failed, paper)
