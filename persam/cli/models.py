"""`persam models`: what ``--model`` takes."""

from __future__ import annotations

import dataclasses
import json as json_format
from typing import Annotated, Any

import typer

from persam.cli.console import say, show
from persam.models import registry


def models(
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list instead of a table, for scripts.")
    ] = False,
) -> None:
    """List every model that has a name, and whether it is on this machine.

    Any other hub id, a folder that transformers saved, and official .pth and .pt files of SAM,
    SAM-HQ and MobileSAM work, too. Sizes are numbers of parameters: the model's, and those that a
    Stable-SAM plugin for it has.
    """
    rows = [row(entry) for entry in registry.CATALOG]
    if json:
        say(json_format.dumps(rows, indent=2))
        return
    show(_table(rows))
    say("A hub id (owner/name), a folder or an official .pth/.pt file works as well.")


def row(entry: registry.ModelEntry) -> dict[str, Any]:
    """Describe one model: its fields, its source, and whether it is here."""
    return dataclasses.asdict(entry) | {
        "source": entry.source,
        "plugin_parameters": entry.plugin_parameters,
        "on_this_machine": registry.on_this_machine(entry),
    }


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("name", no_wrap=True)  # what --model takes must never be cut short
    for title in ("family", "size", "plugin", "licence"):
        table.add_column(title)
    table.add_column("from", overflow="fold")
    table.add_column("here")
    for entry in rows:
        size = f"{entry['parameters']:g} M" if entry["parameters"] else "small"
        source = entry["repository"] or entry["source"]
        access = " (gated)" if entry["gated"] else ""
        here = "yes" if entry["on_this_machine"] else "no"
        plugin = f"{entry['plugin_parameters'] / 1e6:.2f} M"
        licence = entry["licence"] + access
        table.add_row(entry["name"], entry["family"], size, plugin, licence, source, here)
    return table
