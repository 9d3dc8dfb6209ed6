"""The model that a concept file names, loaded where that opens nothing that the user did not name.

A concept file comes from anybody. Reading it runs no code; the model that it names is taken only
where it comes with persam's catalogue or is on this machine already.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.concept_file import concept_model
from persam.models import registry
from persam.models.loading import load

if TYPE_CHECKING:
    from persam.models.base import Backbone
    from persam.structures import ModelSpec

_MATCHERS = re.compile(r"facebook/dinov2-(with-registers-)?(small|base|large|giant)")


def load_stored_model(concept: str | Path, **place: str) -> Backbone:
    """Load the model that a concept was learnt with.

    Args:
        concept: the file.
        place: ``device``, ``precision`` and ``engine``, as :func:`persam.load` takes them.

    Raises:
        InputError: no such file, not a concept, or one that names a model which is neither in the
            catalogue nor on this machine.
    """
    spec = concept_model(concept)
    refuse_unknown(spec, concept)
    return load(spec, **place)


def refuse_unknown(spec: ModelSpec, concept: str | Path) -> None:
    """Refuse to fetch or open what nobody but a file has named.

    Raises:
        InputError: see :func:`load_stored_model`.
    """
    for name in filter(None, (spec.name, spec.match_with, spec.plugin)):
        if not _is_known(name):
            raise InputError(
                f"{concept} names the model {name!r}, which is neither in the catalogue (persam "
                f"models) nor on this machine. Where you trust it, name it yourself: --model "
                f"{name}, or persam.load({name!r})."
            )


def _is_known(name: str) -> bool:
    if registry.find(name) or name == registry.POCKET_STABLE or _MATCHERS.fullmatch(name):
        return True
    try:
        path = Path(name).expanduser()
        if path.is_dir() or path.is_file():
            return True
    except (OSError, RuntimeError, ValueError):  # a home of nobody, too long, a NUL
        return False
    repository, _, revision = name.partition("@")
    plain = re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    return plain is not None and registry.cached_folder(repository, revision) is not None
