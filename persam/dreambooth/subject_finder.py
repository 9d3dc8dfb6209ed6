"""Where the subject is in a sample: found by what was learnt of it from its photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.concept import Concept
from persam.dreambooth.scoring import Finder
from persam.dreambooth.subject import read_subject
from persam.models.stored_model import load_stored_model

if TYPE_CHECKING:
    from pathlib import Path


def subject_finder(folder: Path, device: str = "auto") -> Finder:
    """Load a subject's concept and the model that it was learnt with.

    Raises:
        InputError: not a subject's folder, or its concept cannot be used.
        ModelNotFound: the model is not here.
    """
    path = read_subject(folder).concept
    concept = Concept.load(path, load_stored_model(path, device=device))
    return Finder(f"{concept.method} on {concept.backbone.name}", lambda x: concept.segment(x).mask)
