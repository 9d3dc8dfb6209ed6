"""Measure how fast persam is beside a plain loop that does what the official scripts do.

    python benchmarks/bench.py [DATA] [--rounds 3] [--photos N] [--only ROW] [--quick]
                               [--json benchmarks/bench.json]

DATA is in PerSeg's layout; without it the pictures that come with the package are taken, which are
easier to agree on. All ways run in turn, in one process, on the same threads; a row's value is the
ratio of the best rounds, that of the median rounds stands beside it. Models of official sizes have
random weights (shapes.py), the plain loop is plain.py, and what persam was loaded with (engine,
precision, batch) stands in the JSON with every single time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import bench_album
import bench_find
import bench_fit
import bench_photo
import typer
from bench_setting import Setting
from rounds import HEAD, Row

import persam
from persam import samples
from persam.evaluation import datasets
from persam.evaluation.benchmark import environment

ROWS: dict[str, Callable[[Setting, str], Iterator[Row]]] = {
    "photo": bench_photo.rows,
    "fit": bench_fit.rows,
    "album": bench_album.rows,
    "find": bench_find.rows,
}
USUAL = ("photo", "fit", "album")


def chosen(only: list[str] | None) -> list[tuple[str, str]]:
    """``"photo"`` or ``"photo:mobile"`` as (row, model); all rows where nothing is asked."""
    asked = [tuple((*word.split(":", 1), "")[:2]) for word in only or USUAL]
    unknown = sorted({row for row, _ in asked} - set(ROWS))
    if unknown:
        raise typer.BadParameter(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}.")
    return [(row, model) for row, model in asked]


def main(  # noqa: PLR0913, PLR0917  (a command's options are its parameters)
    data: Annotated[Path | None, typer.Argument()] = None,
    rounds: int = 3,
    photos: int | None = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A row, or row:model; not find, which is long, else.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Does it run? Numbers mean nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure every row and print the table."""
    parts, found = chosen(only), []
    typer.echo(HEAD)
    with TemporaryDirectory(prefix="persam-bench-") as folder:
        dataset = datasets.perseg(data or samples.PICTURES)
        setting = Setting(dataset, Path(folder), rounds, photos, quick)
        for name, model in parts:
            for row in ROWS[name](setting, model):
                typer.echo(str(row))
                found.append(row)
    if out is not None:
        facts = {"version": persam.__version__, "environment": environment(), "quick": quick}
        facts |= {"data": "its own samples" if data is None else data.name, "rounds": rounds}
        report = {**facts, "rows": [row.facts() for row in found]}
        out.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
