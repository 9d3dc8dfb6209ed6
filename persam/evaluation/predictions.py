"""A folder of predictions: masks to be scored later, and what is worth knowing of their making.

``<subject>/<stem>.png`` are the masks, or label maps where a picture holds several objects;
``run.json`` holds the settings of the run that makes them, ``predictions.jsonl`` a line for each
object that was learnt and each photo that was searched. Masks alone are enough to be scored,
whoever made them; the two files make a run resumable.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from persam import __version__
from persam.errors import InputError
from persam.evaluation.records import Finding, Learning, read_log, to_line
from persam.evaluation.reports import environment
from persam.evaluation.run_file import RUN, read_run, refuse_other
from persam.io.masks import read_labels, read_mask
from persam.io.own_files import OwnFiles
from persam.io.records import append_line
from persam.io.writers import labels_png, mask_png, remove_leftovers, write_text
from persam.runs import refuse_strange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOG = "predictions.jsonl"


class Predictions:
    """One folder of predictions; :meth:`start` writes to it, :meth:`open` only reads.

    Attributes:
        folder: where they are.
        run: ``version``, ``settings`` and ``environment`` of the run, a list of these where it was
            started on several; empty for masks of another program.
        learnt: by subject.
        found: by subject and stem.
        own: which masks runs have written.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the settings and the log of the folder.

        Raises:
            InputError: one of the two files cannot be read, or was written by something else.
        """
        self.folder = Path(folder)
        self.run: dict[str, Any] = read_run(self.folder / RUN)
        self.learnt: dict[str, Learning] = {}
        self.found: dict[tuple[str, str], Finding] = {}
        self.own = OwnFiles(self.folder)
        for record in read_log(self.folder / LOG):
            self._take(record)

    @classmethod
    def start(cls, folder: str | Path, settings: Mapping[str, Any]) -> Predictions:
        """Open a folder to predict into: a new one, or one that the same run was stopped in.

        Args:
            folder: made where it is missing.
            settings: all that the predictions depend on, as JSON can hold it. ``data`` and
                ``device`` may change from one start to the next, and so may the place of a
                ``method`` that has a ``method_sha256``.

        Raises:
            InputError: the folder holds the predictions of other settings or of another version
                (the message names the differences), or files that no run has put there.
        """
        predictions = cls(folder)
        wanted = json.loads(json.dumps(settings))
        if predictions.run:
            refuse_other(
                predictions.folder, predictions.run, {"version": __version__, "settings": wanted}
            )
            predictions.own.tidy()
        else:
            refuse_strange(predictions.folder, RUN)
            predictions.run = {"version": __version__, "environment": {}, "settings": wanted}
        predictions._log_start({**environment(), "device": wanted.get("device")})
        for place in (predictions.folder, *filter(Path.is_dir, predictions.folder.iterdir())):
            remove_leftovers(place)
        # A killed run may have left half a line, which the next one must not be appended to.
        predictions.tidy()
        return predictions

    @classmethod
    def open(cls, folder: str | Path, settings: Mapping[str, Any]) -> Predictions:
        """Open a folder to score it.

        Args:
            folder: with ``<subject>/<stem>.png``.
            settings: of the data set; those that the run wrote down, too, must be the same.

        Raises:
            InputError: no such folder, or its run was on other data.
        """
        if not Path(folder).is_dir():
            raise InputError(
                f"{folder} is not a folder. Give one with the masks to score, "
                f"<subject>/<stem>.png, as `persam evaluate --out` writes them."
            )
        predictions = cls(folder)
        if predictions.run:
            old = predictions.run["settings"]
            shared = {name: value for name, value in settings.items() if name in old}
            wanted = json.loads(json.dumps(shared))
            refuse_other(predictions.folder, predictions.run, {"settings": old | wanted})
        return predictions

    def tidy(self) -> None:
        """Rewrite the log with one line for everything, however often the run was stopped.

        Raises:
            InputError: it cannot be written.
        """
        records = (*self.learnt.values(), *self.found.values())
        write_text(self.folder / LOG, "".join(map(to_line, records)))

    def _log_start(self, machine: dict[str, Any]) -> None:
        """Write down on what the run is started, unless it was started on the same before."""
        before = self.run["environment"]
        known = before if isinstance(before, list) else [before] if before else []
        if machine not in known:
            known = [*known, machine]
            self.run["environment"] = known if len(known) > 1 else machine
            write_text(self.folder / RUN, json.dumps(self.run, indent=2) + "\n")

    @property
    def settings(self) -> dict[str, Any]:
        """Of the run; empty for masks of another program."""
        return self.run.get("settings", {})

    @property
    def failures(self) -> dict[str, str]:
        """Why subjects could not be learnt, by name."""
        every = self.learnt.values()
        return {one.subject: one.failed for one in every if one.failed is not None}

    def path(self, subject: str, stem: str) -> Path:
        """Where the mask of a photo is, or is going to be."""
        return self.folder / subject / f"{stem}.png"

    def done(self, subject: str, stem: str) -> bool:
        """Whether a photo is finished: its mask is there, and its line in the log."""
        return (subject, stem) in self.found and self.path(subject, stem).is_file()

    def read(self, subject: str, stem: str, size: tuple[int, int]) -> np.ndarray:
        """The found mask, ``(H, W)`` bool: object wherever the grey value is above 0.

        Args:
            subject: what was studied for.
            stem: of the photo.
            size: ``(H, W)`` that it must have.

        Raises:
            InputError: no readable mask, or one of another size.
        """
        with _naming(self.path(subject, stem)) as path:
            return read_mask(path, size, usable=False) > 0

    def read_labels(self, subject: str, stem: str, size: tuple[int, int]) -> np.ndarray:
        """The found objects by their numbers, ``(H, W)`` uint8, 0 where there is none.

        Args:
            subject: the sequence.
            stem: of the frame.
            size: ``(H, W)`` that it must have.

        Raises:
            InputError: no readable picture of numbers, or one of another size.
        """
        with _naming(self.path(subject, stem)) as path:
            return read_labels(path, size)

    def add(self, record: Learning | Finding, mask: np.ndarray | None = None) -> None:
        """Keep a record, its mask before its line, so that a line means that all is there.

        Args:
            record: of one step.
            mask: ``(H, W)`` bool, or uint8 numbers of objects.

        Raises:
            InputError: a file cannot be written, or would take the place of a person's.
        """
        if isinstance(record, Finding) and mask is not None:
            path = self.path(record.subject, record.stem)
            self.own.refuse_others(path)
            self.own.write(path, mask_png(mask) if mask.dtype == np.bool_ else labels_png(mask))
        append_line(self.folder / LOG, to_line(record).removesuffix("\n"))
        self._take(record)

    def _take(self, record: Learning | Finding) -> None:
        if isinstance(record, Learning):
            self.learnt[record.subject] = record
        else:
            self.found[record.subject, record.stem] = record


@contextmanager
def _naming(path: Path) -> Iterator[Path]:
    """Say which prediction it is that cannot be read."""
    try:
        yield path
    except InputError as error:
        raise InputError(f"The prediction {path} cannot be scored. {error}") from error
