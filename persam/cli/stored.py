"""A concept file, as commands take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from persam.concept import Concept


def stored_concept(path: Path, model: str | None, device: str, precision: str) -> Concept:
    """Load a concept and its model.

    Args:
        path: what ``persam learn`` wrote.
        model: as ``--model`` takes it; None takes the one that the file names.
        device: as ``--device`` takes it.
        precision: as ``--precision`` takes it.

    Raises:
        InputError: no such file, not a concept, or learnt with another model.
    """
    from persam.backbones import load
    from persam.concept import Concept
    from persam.concept_file import concept_model

    name = concept_model(path) if model is None else model
    return Concept.load(path, load(name, device=device, precision=precision))
