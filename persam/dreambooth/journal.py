"""The folder of a training run: its settings, its log, its checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from persam.errors import InputError
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from persam.dreambooth.data import Item
    from persam.dreambooth.recipe import DreamBoothRecipe
    from persam.dreambooth.subject import SubjectFolder

SETTINGS, PICTURES, LOG, CHECKPOINT = "run.json", "pictures.json", "log.jsonl", "checkpoint.pt"


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
        settings = {"base": base, "recipe": asdict(recipe), "subject_sha256": _digest(subject)}
        _refuse_others(out, settings)
        write_text(out / SETTINGS, json.dumps(settings, indent=2) + "\n")

    def restore(self, device: torch.device) -> dict[str, Any] | None:
        """Read the checkpoint, and forget what was logged after it."""
        path = self.out / CHECKPOINT
        saved = None
        if path.is_file():
            saved = torch.load(path, weights_only=True, map_location=device)
        lines = read_log(self.out)
        kept = [line for line in lines if saved is not None and line["step"] <= saved["step"]]
        write_text(self.out / LOG, "".join(json.dumps(line) + "\n" for line in kept))
        return saved

    def keep(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, whole or not at all."""
        part = self.out / f"{CHECKPOINT}.part"
        torch.save(state, part)
        part.replace(self.out / CHECKPOINT)

    def log(self, line: dict[str, Any]) -> None:
        """Add one step to the log."""
        with (self.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def list_pictures(self, items: Sequence[Item]) -> None:
        """Write which cells of which picture are trained on."""
        rows = [item.facts() for item in items]
        write_text(self.out / PICTURES, json.dumps(rows, indent=2) + "\n")


def read_log(out: Path) -> list[dict[str, Any]]:
    """Read a run's log; a broken last line is a killed run's.

    Raises:
        InputError: another line is broken.
    """
    try:
        lines = (out / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    read = []
    for number, line in enumerate(lines, start=1):
        try:
            read.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise InputError(
                    f"Line {number} of {out / LOG} is not a line of a training run ({error})."
                ) from error
    return read


def read_settings(out: Path) -> dict[str, Any] | None:
    """Read ``run.json``; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        return json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{out / SETTINGS} is damaged: {error}.") from error


def _refuse_others(out: Path, settings: dict[str, Any]) -> None:
    before = read_settings(out)
    if before is None:
        return
    old, new = (
        {"base": s["base"], "subject": s["subject_sha256"], **s["recipe"], "steps": None}
        for s in (before, settings)
    )
    differ = [name for name in new if old.get(name) != new[name]]
    if differ:
        named = ", ".join(f"{name} {old.get(name)} (now {new[name]})" for name in differ)
        raise InputError(
            f"{out} holds a run with other settings: {named}. Give those to go on with it, or "
            f"another output folder."
        )


def _digest(subject: SubjectFolder) -> str:
    """A name for the contents of everything that is trained on."""
    digest = hashlib.sha256()
    for photo in subject.photos:
        for path in (subject.image(photo), subject.mask(photo), subject.caption(photo)):
            digest.update(photo.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
