"""The folder of a training run: its settings, its log, its checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.records import append_line, read_json
from persam.io.writers import write_text
from persam.models.checkpoint import read_checkpoint, write_checkpoint
from persam.runs import cut_steps, refuse_other_settings, refuse_strange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from persam.dreambooth.data import Item
    from persam.dreambooth.recipe import DreamBoothRecipe
    from persam.dreambooth.subject import SubjectFolder

SETTINGS, PICTURES, LOG, CHECKPOINT = "run.json", "pictures.json", "log.jsonl", "checkpoint.pt"
PRIOR = "prior"  # folder of the class pictures


class Journal:
    """What a run writes besides its weights and pictures."""

    def __init__(
        self, out: Path, recipe: DreamBoothRecipe, base: str, subject: SubjectFolder
    ) -> None:
        """Open a run's folder, or make it.

        Raises:
            InputError: the folder holds a run with other settings, or of another subject; says
                which differ. A run may only be made longer or shorter.
        """
        self.out = out
        if read_settings(out) is None:
            refuse_strange(out, SETTINGS, {PRIOR})  # pictures of another run's class will do
        settings = {"base": base, "recipe": asdict(recipe), "subject_sha256": _digest(subject)}
        _refuse_others(out, settings)
        write_text(out / SETTINGS, json.dumps(settings, indent=2) + "\n")

    def restore(self, device: torch.device) -> dict[str, Any] | None:
        """Read the checkpoint, and forget what was logged after it."""
        saved = read_checkpoint(self.out / CHECKPOINT, device)
        cut_steps(self.out / LOG, -1 if saved is None else saved["step"])
        return saved

    def keep(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, whole or not at all."""
        write_checkpoint(self.out / CHECKPOINT, state)

    def log(self, line: dict[str, Any]) -> None:
        """Add one step to the log."""
        append_line(self.out / LOG, json.dumps(line))

    def list_pictures(self, items: Sequence[Item]) -> None:
        """Write which cells of which picture are trained on."""
        rows = [item.facts() for item in items]
        write_text(self.out / PICTURES, json.dumps(rows, indent=2) + "\n")


def read_settings(out: Path) -> dict[str, Any] | None:
    """Read ``run.json``; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    what = "is damaged, or not of a training run. Choose another folder."
    return read_json(out / SETTINGS, dict[str, Any], what)


def _refuse_others(out: Path, settings: dict[str, Any]) -> None:
    before = read_settings(out)
    if before is None:
        return
    if not isinstance(before.get("recipe"), dict):
        raise InputError(f"{out / SETTINGS} is not of a training run. Choose another folder.")
    # A run may be made longer or shorter.
    old, new = (
        {"base": s.get("base"), "subject": s.get("subject_sha256"), **s["recipe"], "steps": None}
        for s in (before, settings)
    )
    refuse_other_settings(out, old, new)


def _digest(subject: SubjectFolder) -> str:
    """A name for the contents of everything that is trained on."""
    digest = hashlib.sha256()
    for photo in subject.photos:
        for path in subject.files(photo):
            digest.update(photo.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
