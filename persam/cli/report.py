"""`persam report`: reports as a table, with the published rows beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import REMARKS, say
from persam.cli.run_args import OverwriteOption


def report(
    reports: Annotated[
        list[Path], typer.Argument(help="Files that `persam evaluate --json` wrote.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the table to this file, too.")
    ] = None,
    overwrite: OverwriteOption = False,
    plots: Annotated[
        Path | None,
        typer.Option(
            "--plots",
            help="Draw into this folder, too: bars among the published figures, and the objects of "
            "every two reports against each other. Needs persam\\[plots].",
        ),
    ] = None,
) -> None:
    """Turn reports into a Markdown table, the published figures of their data sets beside them.

    Published rows say where their figure comes from; those that nothing confirms are left out.
    Rows are comparable as far as their data are: the column says what each was measured on.
    """
    from persam.evaluation.tables import markdown, read_report
    from persam.io.folders import refuse_overwriting
    from persam.io.own_files import refuse_replacing
    from persam.io.writers import write_single

    if out is not None:
        refuse_overwriting([out], reports, "Choose another --out.")
        refuse_replacing(out, overwrite=overwrite)
    lines = [read_report(path) for path in reports]
    text = markdown(lines)
    if out is not None:
        write_single(out, text)
    say(text.rstrip("\n"))
    if plots is not None:
        from persam.evaluation.plots import write_plots

        for path in write_plots(lines, plots):
            REMARKS.print(f"Drawn: {path}")
