"""The file that says of which run a folder of predictions is, and refusing another run's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN = "run.json"
# Where files lie and what computes does not make another run of it; both are in the report.
_PLACES = ("data", "device")


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nests of settings, one line each.

    Example:
        >>> differences({"model": "a", "variant": {"alpha": 1}}, {"variant": {"alpha": 2}})
        ["model was 'a', now (nothing)", 'variant.alpha was 1, now 2']
    """
    found: list[str] = []
    for key in dict.fromkeys((*old, *new)):
        was, now = (side.get(key, _NOTHING) for side in (old, new))
        if isinstance(was, dict) and isinstance(now, dict):
            found += differences(was, now, f"{prefix}{key}.")
        elif was != now:
            found.append(f"{prefix}{key} was {was!r}, now {now!r}")
    return found


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


_NOTHING = _Nothing()


def refuse_other(folder: Path, run: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with another run.

    Args:
        folder: of the predictions.
        run: what its file says.
        wanted: parts of that as they ought to be, ``settings`` among them.

    Raises:
        InputError: they differ; the message names how.
    """
    old, new = (
        {**side, "settings": _placeless(side["settings"])}
        for side in ({name: run[name] for name in wanted}, wanted)
    )
    changed = differences(old, new)
    if changed:
        raise InputError(
            f"{folder} holds the predictions of another run: "
            f"{'; '.join(line.removeprefix('settings.') for line in changed)}. "
            f"Repeat its settings, or choose another folder."
        )


def _placeless(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Of a method's file its contents count.
    dropped = (*_PLACES, "method") if "method_sha256" in settings else _PLACES
    return {name: value for name, value in settings.items() if name not in dropped}


def refuse_strange(folder: Path) -> None:
    """Refuse a folder that holds files and no run.

    Raises:
        InputError: names some of the files.
    """
    strange = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    strange = sorted(name for name in strange if not name.startswith("."))
    if strange:
        raise InputError(
            f"{folder} holds files of its own ({', '.join(strange[:5])}) and no {RUN}, so it is "
            f"no run to go on with. Choose an empty folder, or a new one."
        )


def read_run(path: Path) -> dict[str, Any]:
    """What the file says; empty where there is none.

    Raises:
        InputError: it cannot be read, or is no such file.
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(run["settings"], dict) or not isinstance(run["version"], str):
            raise TypeError
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} does not describe a persam run. Choose another folder."
        ) from error
    return run
