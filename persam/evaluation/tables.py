"""Reports as Markdown tables, with the published rows beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.rows import MARK, ReportKind, kind_of
from persam.io.special_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MARKED = (
    f"{MARK} Not the whole protocol, as the data column says, or with predictions missing: not "
    f"comparable with what is published."
)
_LEFT = ("method", "recipe", "tracking", "model", "data", "source")


@dataclass(frozen=True)
class Line:
    """One row of the table of a data set.

    Attributes:
        dataset: whose table it belongs to.
        kind: of the report that it comes from.
        cells: by the column's title; a missing one stays empty.
        objects: IoU (J&F of sequences) of every object or class, 0..1, by name.
    """

    dataset: str
    kind: ReportKind
    cells: Mapping[str, str]
    objects: Mapping[str, float] = field(default_factory=dict)


def read_report(path: str | Path) -> Line:
    """Read what ``persam evaluate --json`` wrote, of this version or of an earlier one.

    Raises:
        InputError: the file cannot be read, or is no such report.
    """
    path = Path(path)
    content = read_bytes(path)
    try:
        report = json.loads(content)
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON. Give the files that `persam evaluate --json` wrote."
        ) from error
    kind = kind_of(report)
    absent = [name for name in kind.needed if not isinstance(report, dict) or name not in report]
    if absent:
        raise InputError(
            f"{path} has no {', '.join(absent)}: it is no report of `persam evaluate --json`."
        )
    try:
        cells = dict(kind.cells(report))
        cells["source"] = f"{path.name}, {cells['source']}"
        return Line(kind.dataset(report), kind, cells, _objects(report))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is a damaged report of `persam evaluate --json` ({error!r}). Make it again."
        ) from error


def _objects(report: Mapping[str, Any]) -> dict[str, float]:
    found = report.get("objects") or {}
    return {
        name: float(one["iou"]) if "iou" in one else (one["j"]["mean"] + one["f"]["mean"]) / 2
        for name, one in found.items()
        if one.keys() & {"iou", "j"}
    }


def markdown(lines: Sequence[Line]) -> str:
    """One table a data set, the best row first; columns that nothing fills are left out.

    Rows of less than the whole protocol are marked, and a line below says so.

    Args:
        lines: what :func:`read_report` gave; at least one.
    """
    kinds = {line.dataset: line.kind for line in lines}
    parts: list[str] = []
    for dataset, kind in kinds.items():
        own = [line.cells for line in lines if line.dataset == dataset]
        rows = sorted([*own, *kind.published(dataset)], key=lambda row: -float(row[kind.rank]))
        parts.append(f"## {dataset}\n\n{table(rows, kind.titles)}")
        if any(cells["data"].endswith(MARK) for cells in own):
            parts.append(_MARKED)
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Mapping[str, str]], titles: Iterable[str]) -> str:
    """Lay rows out as a Markdown table.

    Args:
        rows: cells by title.
        titles: the columns in their order; those that no row fills are left out.

    Example:
        >>> print(table([{"method": "a", "mIoU": "1.0"}, {"method": "b"}], ["method", "x", "mIoU"]))
        | method | mIoU |
        | --- | ---: |
        | a | 1.0 |
        | b |  |
    """
    used = [title for title in titles if any(row.get(title) for row in rows)]
    rules = ["---" if title in _LEFT else "---:" for title in used]
    cells = [[_escaped(row.get(title, "")) for title in used] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (used, rules, *cells))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
