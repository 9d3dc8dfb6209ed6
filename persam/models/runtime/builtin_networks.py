"""The built-in model as networks that came with the package, converted once; they need no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.models.registry import POCKET, POCKET_FILE
from persam.models.runtime.choice import missing
from persam.models.runtime.exported import ExportedBackbone, ExportedFiles
from persam.models.runtime.exported_metadata import READERS, Facts

if TYPE_CHECKING:
    from persam.models.runtime.choice import RuntimeChoice

PREFIX, FACTS = "pocket-", "pocket.json"


def runs_packaged(device: str, choice: RuntimeChoice) -> bool:
    """Whether the networks of the package are what was asked for, and can be run here.

    Args:
        device: as :func:`persam.load` takes it; ``"auto"`` is the CPU, on which a model this small
            has answered before a GPU has started.
        choice: with the environment's wishes.
    """
    engines = [choice.engine] if choice.engine != "auto" else READERS["onnx"]
    able = any(one in READERS["onnx"] and not missing(one, run=True) for one in engines)
    return able and device in ("auto", "cpu")


def load_packaged(choice: RuntimeChoice) -> ExportedBackbone:
    """Load the built-in model's networks.

    Args:
        choice: with the environment's wishes.

    Raises:
        InputError: a number format that the engine or the CPU does not compute in.
    """
    facts = Facts.read(POCKET_FILE.parent / FACTS)
    files = ExportedFiles(POCKET_FILE.parent, PREFIX, (POCKET_FILE.name,))
    return ExportedBackbone(POCKET, files, facts, choice)
