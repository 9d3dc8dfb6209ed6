"""The folder of a training run: one run at a time, nobody else's files, a log."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.own_files import OwnFiles
from persam.io.records import append_line, read_json
from persam.io.writers import remove_leftovers, write_text
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


def log(
    out: Path, line: dict[str, float], on_progress: Callable[[dict[str, float]], None] | None
) -> None:
    """Add a line to the log and tell it to whoever listens."""
    text = json.dumps(line)
    append_line(out / LOG, text)
    _LOG.info("%s: %s", out, text)
    if on_progress is not None:
        on_progress(line)
