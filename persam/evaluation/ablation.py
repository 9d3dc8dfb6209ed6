"""Which part is worth how much: every row of an ablation, measured on one data set."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from persam.evaluation.ablation_table import Ablation, Measured
from persam.evaluation.predictions import Predictions
from persam.evaluation.published import ABLATION, REFERENCES
from persam.evaluation.reference_prompts import with_reference
from persam.evaluation.running import Job, describe, predict
from persam.evaluation.scores import dataset_settings, score
from persam.methods.persam import personalize
from persam.methods.persam_f import finetune
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.evaluation.ablation_plan import AblationRow
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.reports import Report
    from persam.evaluation.running import OnProgress
    from persam.models.base import Backbone

_LEARN = {"persam": personalize, "persam-f": finetune}


def ablate(  # noqa: PLR0913  (what is run, on what; where it is kept, and under which name)
    backbone: Backbone,
    dataset: Dataset,
    rows: Sequence[AblationRow],
    *,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Ablation:
    """Measure every row; each picture is encoded once for all of them.

    Args:
        backbone: the model.
        dataset: in PerSeg's layout.
        rows: what :func:`plan` gave.
        out: folder for the predictions, one folder a row; the same call goes on where it was
            stopped. None keeps nothing.
        settings: what else the predictions depend on, as JSON can hold it.
        on_progress: called with subject and stem after each photo of each row.

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
        with locked(folder):
            places = (Path(folder) / f"{number:02d}" for number in range(len(rows)))
            jobs = [_job(row, place, facts) for row, place in zip(rows, places, strict=True)]
            predict(jobs, backbone, dataset, on_progress)
            for job in jobs:
                job.predictions.tidy()
        reports = [score(dataset, job.predictions) for job in jobs]
    measured = (_measured(row, report) for row, report in zip(rows, reports, strict=True))
    logged = [report.seconds for report in reports if report.seconds is not None]
    seconds = round(sum(logged), 1) if len(logged) == len(rows) else None
    return Ablation(tuple(measured), facts, seconds, environment=reports[0].environment)


def _job(row: AblationRow, folder: Path, facts: Mapping[str, Any]) -> Job:
    learner = partial(_LEARN[row.method], variant=row.variant)
    settings = {**facts, "learner": describe(learner), "reference": row.reference}
    # A row that learns nothing at all is a result, too, not a reason to drop the others.
    return Job(
        with_reference(learner, row.reference), Predictions.start(folder, settings), patience=None
    )


def _measured(row: AblationRow, report: Report) -> Measured:
    if row.table in ("official references", "references"):
        paper = REFERENCES.get((row.method, row.reference))
    else:
        paper = ABLATION.get(row.name) if row.table == "official" else None
    failed = dict(report.failed)
    return Measured(row, report.miou, report.biou, report.point_hit, failed, paper)
