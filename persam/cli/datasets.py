"""`persam datasets`: what can be measured on, where it comes from, and whether it is all here."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persam.cli.console import say

if TYPE_CHECKING:
    from persam.evaluation.datasets import Dataset
    from persam.evaluation.datasets.catalogue import DatasetEntry

datasets = typer.Typer(
    name="datasets",
    invoke_without_command=True,
    help="List the data sets that can be measured on, or check one.",
)


@datasets.callback()
def show(
    context: typer.Context,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list instead, for scripts.")
    ] = False,
) -> None:
    """List every data set: splits, metric, layout of its folder, source and licence."""
    if context.invoked_subcommand is not None:
        return
    from persam.evaluation.datasets.catalogue import CATALOGUE

    if json:
        say(json_format.dumps([dataclasses.asdict(entry) for entry in CATALOGUE], indent=2))
        return
    say("\n\n".join(map(_described, CATALOGUE)))


def _described(entry: DatasetEntry) -> str:
    rows = {
        "splits": (entry.splits,),
        "metric": (entry.metric,),
        "folder": (f"{entry.folder}/", *(f"  {line}" for line in entry.layout)),
        "source": entry.source,
        "licence": (entry.licence,),
    }
    lines = [f"{entry.name}  ({entry.title})"]
    for title, texts in rows.items():
        heads = (title, *[""] * (len(texts) - 1))
        lines += [f"  {head:8} {text}" for head, text in zip(heads, texts, strict=True)]
    return "\n".join(lines)


@datasets.command()
def check(
    name: Annotated[str, typer.Argument(help="A name from `persam datasets`.")],
    data: Annotated[Path, typer.Argument(help="Its folder, or the one that holds it.")],
    every: Annotated[
        bool, typer.Option("--all", help="Print every name, not the first of many.")
    ] = False,
) -> None:
    """Say what is missing, by name, before anything runs.

    Looks at all files that the whole protocol needs, at the sizes that their headers give, and at
    every mask, which is what takes long. The exit code is 0 where nothing is missing, 1 where
    something is missing or unreadable, 2 where there is no such folder.
    """
    from persam.evaluation import datasets
    from persam.evaluation.datasets.problems import listed

    found = datasets.check(name, data)
    for problem in found.problems:
        if not every:
            say(str(problem))
            continue
        say(f"{problem.where}: {problem.what}:")
        for missing in problem.names:
            say(f"  {missing}")
    if found.dataset is None:
        raise typer.Exit(1)
    say(_state(found.dataset))
    if found.empty:
        names = ", ".join(found.empty) if every else listed(found.empty)
        say(f"{len(found.empty)} masks are empty, which the protocol counts all the same: {names}.")


def _state(dataset: Dataset[Any]) -> str:
    """What can be done with a data set of which nothing is missing."""
    if dataset.name == "davis":
        return (
            f"{dataset.name} {dataset.settings['year']} in {dataset.root} is complete; "
            f"{len(dataset.subjects)} sequences, {dataset.photos} frames to search."
        )
    from persam.evaluation.datasets.protocol import departures

    groups = len({(subject.fold, subject.group) for subject in dataset.subjects})
    departs = departures(dataset.name, dataset.settings, groups)
    state = f"usable, but not the whole protocol: {', '.join(departs)}" if departs else "complete"
    return (
        f"{dataset.name} in {dataset.root} is {state}; {len(dataset.subjects)} subjects of "
        f"{groups} classes, {dataset.photos} photos to search."
    )
