"""What an ablation found, and its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from persam import __version__
from persam.evaluation.ablation_plan import AblationRow, Table
from persam.evaluation.published import REFERENCES
from persam.evaluation.reports import AsJson, environment
from persam.evaluation.tables import table
from persam.variants import Method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAPER = "paper: PerSeg, SAM ViT-H"
HIT = "first point on the object"
TITLES = ("method", "recipe", "mIoU", "boundary IoU", HIT, PAPER, "failed")
CAPTIONS: Mapping[Table, str] = {
    "official": "The official recipe, one component after the other:",
    "own": "The model's own recipe, one component after the other:",
    "official references": "The official recipe, by how the reference shows the object:",
    "references": "The model's own recipe, by how the reference shows the object:",
}


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


def cells(measured: Measured) -> dict[str, str]:
    """A row by the titles of its columns; IoUs in percent."""
    hit = measured.point_hit
    return {
        "method": measured.row.method,
        "recipe": measured.row.name,
        "mIoU": f"{100 * measured.miou:.1f}",
        "boundary IoU": f"{100 * measured.biou:.1f}",
        HIT: "" if hit is None else f"{100 * hit:.1f}",
        PAPER: "" if measured.paper is None else f"{measured.paper:.1f}",
        "failed": str(len(measured.failed)) if measured.failed else "",
    }


def published_cells(table_name: Table) -> list[dict[str, str]]:
    """Rows of a table that are known from publications alone."""
    if table_name != "official references":
        return []
    return [
        {"method": f"{method}, as published", "recipe": kind, PAPER: f"{miou:.1f}"}
        for (method, kind), miou in REFERENCES.items()
        if method not in get_args(Method)
    ]
