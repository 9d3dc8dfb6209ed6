"""The folder of a training run: one run at a time, nobody else's files, a log without repeats."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from persam.errors import InputError
from persam.io.own_files import OwnFiles
from persam.io.records import append_line, parse, read_json, read_lines
from persam.io.writers import remove_leftovers, write_text, written_whole
from persam.runs import locked, refuse_strange
from persam.training.processes import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOG = logging.getLogger(__name__)
RUN, CHECKPOINT, LOG = "run.json", "checkpoint.pt", "log.jsonl"


@contextmanager
def opened(out: Path, kind: str) -> Iterator[OwnFiles]:
    """Hold a run's folder, new or begun; of several processes the first one does it for all.

    Args:
        out: the folder.
        kind: the command, as ``"persam train pocket"``.

    Yields:
        Which of its files runs have written.

    Raises:
        InputError: another run has the folder, or it holds something else.
    """
    if Workers.here().rank > 0:
        yield OwnFiles(out)
        return
    with locked(out):
        what = "is not of this command. Choose another folder."
        begun = read_json(out / RUN, dict[str, Any], what)
        if begun is None and not (out / CHECKPOINT).is_file():
            refuse_strange(out, RUN)
        if begun is not None and begun.get("run") != kind:
            raise InputError(f"{out / RUN} {what}")
        write_text(out / RUN, json.dumps({"run": kind}) + "\n")
        remove_leftovers(out)
        own = OwnFiles(out)
        if begun is None:  # a run of an earlier version had no list of its files
            for path in (*out.glob("*.safetensors"), out / "plugin.json"):
                own.claim(path)
        own.tidy()
        yield own


def read_checkpoint(path: Path, device: str | torch.device) -> dict[str, Any] | None:
    """Read what :func:`write_checkpoint` wrote; None where there is no such file.

    Raises:
        InputError: it is no checkpoint, or not a whole one.
    """
    if not path.exists():
        return None
    try:
        saved = torch.load(path, weights_only=True, map_location=device)
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        raise InputError(
            f"{path} is no checkpoint, or not a whole one ({type(error).__name__}). Remove it to "
            f"begin anew."
        ) from error
    if not isinstance(saved, dict) or not isinstance(saved.get("step"), int):
        raise InputError(f"{path} is no checkpoint of a run; give another output folder.")
    return saved


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with written_whole(path) as part:
        torch.save(state, part)


def cut_log(out: Path, step: int) -> None:
    """Drop what was logged after the checkpoint; those steps are taken again.

    Raises:
        InputError: a line of the log is none of a training run's.
    """
    lines = read_lines(out / LOG, _logged)
    if lines:
        kept = [line for line in lines if line["step"] <= step]
        write_text(out / LOG, "".join(json.dumps(line) + "\n" for line in kept))


def _logged(line: str) -> dict[str, Any]:
    fields = parse(line, dict[str, Any])
    if not isinstance(fields.get("step"), int):
        raise ValueError("no step of a training run")
    return fields


def log(
    out: Path, line: dict[str, float], on_progress: Callable[[dict[str, float]], None] | None
) -> None:
    """Add a line to the log and tell it to whoever listens."""
    text = json.dumps(line)
    append_line(out / LOG, text)
    _LOG.info("%s: %s", out, text)
    if on_progress is not None:
        on_progress(line)
