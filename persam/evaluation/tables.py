"""Reports as Markdown tables, with the published rows beside them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from persam.errors import InputError
from persam.evaluation.datasets.protocol import departures
from persam.evaluation.published import published
from persam.variants import Method, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from persam.evaluation.published import Published

_NEEDED = ("miou", "biou", "photos", "settings", "version")
_TITLES = ("method", "model", "data", "mIoU", "boundary IoU", "FB-IoU", "parameters", "source")
_MARK = "†"
_MARKED = (
    f"{_MARK} Not the whole protocol, as the data column says, or with predictions missing: not "
    f"comparable with what is published."
)
_LEFT = ("method", "recipe", "model", "data", "source")


@dataclass(frozen=True)
class Line:
    """One row of the table of a data set.

    Attributes:
        dataset: whose table it belongs to.
        cells: by the column's title; a missing one stays empty.
    """

    dataset: str
    cells: Mapping[str, str]


def read_report(path: str | Path) -> Line:
    """Read what ``persam evaluate --json`` wrote, of this version or of an earlier one.

    Raises:
        InputError: the file cannot be read, or is no such report.
    """
    path = Path(path)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON. Give the files that `persam evaluate --json` wrote."
        ) from error
    absent = [name for name in _NEEDED if not isinstance(report, dict) or name not in report]
    if absent:
        raise InputError(
            f"{path} has no {', '.join(absent)}: it is no report of `persam evaluate --json`."
        )
    try:
        return _line(report, path)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is a damaged report of `persam evaluate --json` ({error!r}). Make it again."
        ) from error


def markdown(lines: Sequence[Line]) -> str:
    """One table a data set, the best row first; columns that nothing fills are left out.

    Rows of less than the whole protocol are marked, and a line below says so.

    Args:
        lines: what :func:`read_report` gave; at least one.
    """
    parts: list[str] = []
    for dataset in dict.fromkeys(line.dataset for line in lines):
        own = [line.cells for line in lines if line.dataset == dataset]
        rows = [*own, *map(_published, published(dataset))]
        parts.append(f"## {dataset}\n\n{table(_ordered(rows), _TITLES)}")
        if any(cells["data"].endswith(_MARK) for cells in own):
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


def recipe_name(variant: Mapping[str, Any]) -> str:
    """The name of a stored recipe, or ``"own"`` for one without a name.

    Example:
        >>> import dataclasses
        >>> recipe_name(dataclasses.asdict(Variant.named("official", "persam-f")))
        'official'
    """
    for name in ("official", "default", "pocket"):
        for method in get_args(Method):
            if dataclasses.asdict(Variant.named(name, method)) == dict(variant):
                return name
    return "own"


def _line(report: Mapping[str, Any], path: Path) -> Line:
    settings = report["settings"]
    method = str(settings.get("method", "masks from elsewhere"))
    variant = settings.get("variant")
    label = method if variant is None else f"{method}, {recipe_name(variant)}"
    missing, failed = len(report.get("missing", ())), len(report.get("failed", ()))
    groups = len(report["objects"]) if "objects" in report else None
    departs = departures(str(settings["dataset"]), settings, groups)
    data = [Path(str(settings["data"])).name, f"{report['photos']} photos", *departs]
    data += [f"{failed} not learnt"] if failed else []
    mark = f" {_MARK}" if departs or missing else ""
    source = f"{path.name}, persam {report['version']}"
    cells = {
        "method": label,
        "model": str(settings.get("model", "")),
        "data": ", ".join(data) + mark,
        "mIoU": f"{100 * report['miou']:.1f}",
        "boundary IoU": f"{100 * report['biou']:.1f}",
        "FB-IoU": "" if report.get("fb_iou") is None else f"{100 * report['fb_iou']:.1f}",
        "parameters": "" if report.get("parameters") is None else f"{report['parameters']:,}",
        "source": f"{source}, {missing} photos missing" if missing else source,
    }
    return Line(str(settings["dataset"]), cells)


def _published(row: Published) -> dict[str, str]:
    return {
        "method": row.method,
        "model": row.model,
        "data": "as published",
        "mIoU": f"{row.miou:.1f}",
        "boundary IoU": "" if row.biou is None else f"{row.biou:.1f}",
        "parameters": row.parameters,
        "source": row.origin,
    }


def _ordered(rows: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return sorted(rows, key=lambda row: -float(row["mIoU"]))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
