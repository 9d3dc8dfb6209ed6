"""The settings file of a folder of predictions, and the refusal of another run's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.records import read_json
from persam.runs import refuse_other_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN = "run.json"
# Where files lie and what computes does not make another run of it; both are in the report.
_PLACES = ("data", "device")


def refuse_other(folder: Path, run: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with another run.

    Args:
        folder: of the predictions.
        run: what its file says.
        wanted: parts of that as they ought to be, ``settings`` among them.

    Raises:
        InputError: they differ; the message names how.
    """
    others = [name for name in wanted if name != "settings"]
    old, new = (
        {**{name: side[name] for name in others}, **_placeless(side["settings"])}
        for side in (run, wanted)
    )
    refuse_other_settings(folder, old, new)


def _placeless(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Of a method's file its contents count.
    dropped = (*_PLACES, "method") if "method_sha256" in settings else _PLACES
    return {name: value for name, value in settings.items() if name not in dropped}


def read_run(path: Path) -> dict[str, Any]:
    """The contents of the file; empty where there is none.

    Raises:
        InputError: it cannot be read, or is no such file.
    """
    what = "does not describe a persam run. Choose another folder."
    run = read_json(path, dict[str, Any], what)
    if run is None:
        return {}
    if not isinstance(run.get("settings"), dict) or not isinstance(run.get("version"), str):
        raise InputError(f"{path} {what}")
    return run
