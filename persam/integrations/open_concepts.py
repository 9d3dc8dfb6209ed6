"""Concepts and their model from files, as tools name them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.concept import Concept
from persam.io.concept_file import concept_model
from persam.io.concept_set import is_concept_set, read_concept_set
from persam.io.labels import LabelSet
from persam.models.loading import load
from persam.pipeline.multi_object import segment_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.structures import Embedding, Prediction


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
    path: str | Path, *, backbone: Backbone | None = None, **place: str
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
    with concept_files(path, path.stem) as files:
        if backbone is None:
            backbone = load(concept_model(next(iter(files.values()))), **place)
        concepts = {name: Concept.load(file, backbone) for name, file in files.items()}
    return OpenConcepts(backbone, concepts, labels)


@contextmanager
def concept_files(path: Path, name: str) -> Iterator[dict[str, Path]]:
    """Give a file of each concept by its name: the file itself, or what a set contains."""
    if not is_concept_set(path):
        yield {name: path}
        return
    with read_concept_set(path).files() as files:
        yield files
