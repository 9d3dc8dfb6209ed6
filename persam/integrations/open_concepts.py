"""Concepts and their model from files, as tools name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.concept import Concept
from persam.io.concept_set import is_concept_set, read_concept_set, separate_files
from persam.io.labels import LabelSet
from persam.models.stored_model import load_stored_model
from persam.pipeline.multi_object import segment_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.prediction import Prediction
    from persam.structures import Embedding


@dataclass(frozen=True, eq=False)
class OpenConcepts:
    """Concepts that are looked for together.

    Attributes:
        backbone: the model of all.
        concepts: by name.
        labels: the classes, and the labelled pictures that taught them; none of a lone concept.
    """

    backbone: Backbone
    concepts: Mapping[str, Concept]
    labels: LabelSet

    def find(self, image: Source | Embedding) -> dict[str, Prediction]:
        """Find all objects in a picture; what is absent has an empty mask.

        Raises:
            InputError: the picture cannot be read.
        """
        return segment_objects(self.concepts, image)


def open_concepts(
    path: str | Path, backbone: Backbone | None = None, /, **place: str
) -> OpenConcepts:
    """Load what ``persam learn`` wrote, and its model.

    Args:
        path: a concept, or a set of concepts.
        backbone: the concepts' model, where it is loaded already.
        place: ``device``, ``precision`` and ``engine``, as :func:`persam.load` takes them.

    Raises:
        InputError: no such file, or not a concept.
    """
    path = Path(path)
    labels = read_concept_set(path).labels if is_concept_set(path) else LabelSet((), ())
    with separate_files({path.stem: path}) as files:
        if backbone is None:
            backbone = load_stored_model(next(iter(files.values())), **place)
        concepts = {name: Concept.load(file, backbone) for name, file in files.items()}
    return OpenConcepts(backbone, concepts, labels)
