"""The tables of an ablation: their titles, and what stands in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from persam.evaluation.published import REFERENCES
from persam.variants import Method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.evaluation.ablation import Measured, Table

PAPER = "paper: PerSeg, SAM ViT-H"
HIT = "first point on the object"
TITLES = ("method", "recipe", "mIoU", "boundary IoU", HIT, PAPER, "failed")
CAPTIONS: Mapping[Table, str] = {
    "official": "The official recipe, one component after the other:",
    "own": "The model's own recipe, one component after the other:",
    "official references": "The official recipe, by how the reference shows the object:",
    "references": "The model's own recipe, by how the reference shows the object:",
}


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


def published_cells(table: Table) -> list[dict[str, str]]:
    """Rows of a table that are known from publications alone."""
    if table != "official references":
        return []
    return [
        {"method": f"{method}, as published", "recipe": shown, PAPER: f"{miou:.1f}"}
        for (method, shown), miou in REFERENCES.items()
        if method not in get_args(Method)
    ]
