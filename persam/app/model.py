"""The model of a page: loaded once, shared by clicks and searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from persam.app.clicking import EncodedPhotos
from persam.app.learning import ConceptMaker
from persam.app.sharing import Turns, shared
from persam.structures import Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from persam.models.base import Backbone
    from persam.structures import ModelSpec


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """The model, as the page's clicks use it and as the album does, which lets clicks go first."""

    clicks: Backbone
    album: Backbone
    photos: EncodedPhotos
    maker: ConceptMaker


def load_model(spec: ModelSpec, place: Mapping[str, str], run: Path) -> LoadedModel:
    """Load a model and have it ready for the first click.

    Args:
        spec: which model.
        place: ``device``, ``precision`` and ``engine``.
        run: folder of the run, where the masks of references lie.

    Raises:
        PersamError: it cannot be loaded.
    """
    from persam.models.loading import load

    backbone, turns = load(spec, **place), Turns()
    _warm_up(backbone)
    clicks = shared(backbone, turns, hurried=True)
    album = shared(backbone, turns, hurried=False)
    return LoadedModel(clicks, album, EncodedPhotos(clicks), ConceptMaker(clicks, run))


def _warm_up(backbone: Backbone) -> None:
    """Ask both networks once, so that a person's first click is as quick as the others."""
    embedding = backbone.encode(np.full((48, 64, 3), 127, dtype=np.uint8))
    one = Prompts(np.array([[32, 24]]), np.array([1]))
    two = Prompts(np.array([[32, 24], [8, 8]]), np.array([1, 0]))
    for prompts, several in ((one, True), (one, False), (two, False)):
        backbone.decode(embedding, prompts, multimask=several)
    backbone.decode(embedding, Prompts(box=(8, 8, 40, 40)), multimask=False)
