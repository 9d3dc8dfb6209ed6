"""Reports as plots: bars with the published rows beside them, and objects of two reports."""

from __future__ import annotations

import importlib
import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from persam.errors import MissingExtra
from persam.evaluation.rows import MARK
from persam.io.own_files import OwnFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.evaluation.tables import Line

OWN, PUBLISHED = "#d81b60", "#b0b4ba"


def write_plots(lines: Sequence[Line], folder: str | Path) -> list[Path]:
    """Write an SVG of bars a data set, and one for every two reports that follow each other.

    Args:
        lines: what :func:`persam.evaluation.tables.read_report` gave; at least one.
        folder: made where it is missing.

    Returns:
        The files.

    Raises:
        MissingExtra: matplotlib is not installed.
        InputError: a file cannot be written, or would take the place of one that somebody has
            changed, or that persam did not write.
    """
    written, own_files = [], OwnFiles(folder)
    for dataset in dict.fromkeys(line.dataset for line in lines):
        own = [line for line in lines if line.dataset == dataset]
        written.append(_write(own_files, bars(own), f"{dataset}.svg"))
        for number, (first, second) in enumerate(pairwise(own), start=1):
            if set(first.objects) & set(second.objects):
                figure = objects(first, second)
                written.append(_write(own_files, figure, f"{dataset}-objects-{number}.svg"))
    return written


def bars(lines: Sequence[Line]) -> Any:
    """A matplotlib figure: the reports of one data set among its published rows, best on top.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    kind = lines[0].kind
    rows = [(line.cells, OWN) for line in lines]
    rows += [(cells, PUBLISHED) for cells in kind.published(lines[0].dataset)]
    rows.sort(key=lambda row: float(row[0][kind.rank]))
    figure, axes = _axes(8, 1 + 0.28 * len(rows))
    values = [float(cells[kind.rank]) for cells, _ in rows]
    drawn = axes.barh(range(len(rows)), values, color=[colour for _, colour in rows])
    axes.bar_label(drawn, [f"{value:.1f}" for value in values], padding=3, fontsize=8)
    names = [_name(cells) for cells, _ in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_xlabel(kind.rank)
    axes.set_title(f"{lines[0].dataset}: own reports red, published figures grey", fontsize=10)
    if any(name.endswith(MARK) for name in names):
        axes.text(0, -0.9, f"{MARK} not the whole protocol: not comparable", fontsize=8, va="top")
    return figure


def _name(cells: Mapping[str, str]) -> str:
    """Method and model, with the mark of what is not comparable with published figures."""
    mark = MARK if cells.get("data", "").endswith(MARK) else ""
    return " ".join(filter(None, (cells["method"], cells.get("model", ""), mark)))


def objects(first: Line, second: Line) -> Any:
    """A matplotlib figure: each object's figure in two reports; off the diagonal they differ.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure, axes = _axes(6, 6)
    names = [name for name in first.objects if name in second.objects]
    pairs = [(100 * first.objects[name], 100 * second.objects[name]) for name in names]
    axes.plot([0, 100], [0, 100], color=PUBLISHED, linewidth=1)
    axes.scatter(*zip(*pairs, strict=True), s=14, color=OWN)
    apart = sorted(range(len(names)), key=lambda i: -abs(pairs[i][0] - pairs[i][1]))[:8]
    for index in apart:
        axes.annotate(
            names[index], pairs[index], fontsize=7, xytext=(3, 3), textcoords="offset points"
        )
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.set_xlabel(str(first.cells["source"]))
    axes.set_ylabel(str(second.cells["source"]))
    axes.set_title(f"{first.dataset}: {len(names)} objects", fontsize=10)
    return figure


def _axes(width: float, height: float) -> tuple[Any, Any]:
    try:
        module = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingExtra(
            f"Plots need matplotlib ({error}): pip install 'persam[plots]'"
        ) from error
    figure = module.Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _write(own: OwnFiles, figure: Any, name: str) -> Path:
    path = own.folder / name
    own.refuse_others(path)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    own.write(path, file.getvalue())
    return path
