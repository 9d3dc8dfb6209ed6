"""From what a person marked to concepts, as `persam learn` and `persam correct` make them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persam.concept import Concept
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.pipeline.reference import Reference

if TYPE_CHECKING:
    from persam.app.objects import Mark, NamedObject
    from persam.models.base import Backbone

# Photos are searched at this presence, below every threshold that makes sense, so that the page's
# slider has masks to show; what lies below it costs no decoder call.
SEARCHED = 0.05


class ConceptMaker:
    """Makes concepts of marks, and keeps the last of each object until its marks change."""

    def __init__(self, backbone: Backbone, run: Path) -> None:
        self.backbone, self.run = backbone, run
        self._kept: dict[str, tuple[tuple[object, ...], Concept]] = {}

    def concept(self, one: NamedObject) -> Concept:
        """What was learnt of an object.

        Raises:
            InputError: nothing shows it, or a mask or photo that shows it is gone.
        """
        key = (one.concept, taught(one))
        if one.name not in self._kept or self._kept[one.name][0] != key:
            self._kept[one.name] = (key, self._learn(one))
        return self._kept[one.name][1]

    def concepts(self, objects: tuple[NamedObject, ...]) -> dict[str, Concept]:
        """What was learnt of every object that something shows, by name.

        Raises:
            InputError: nothing shows any of them.
        """
        found = {one.name: self.concept(one) for one in objects if one.learnable}
        if not found:
            raise InputError("Show an object first: click on it in a photo and use the mask.")
        return found

    def save(self, objects: tuple[NamedObject, ...]) -> None:
        """Write the concepts to the run's folder, for the command line to go on with."""
        for one in objects:
            if one.learnable:
                self.concept(one).save(concept_file(self.run, one))

    def _learn(self, one: NamedObject) -> Concept:
        marks = taught(one)
        shown = [self._reference(mark) for mark in marks if mark.kind != "other"]
        others = [self._reference(mark) for mark in marks if mark.kind == "other"]
        if one.concept is None:
            concept = personalize(self.backbone, shown, negatives=others)
            return at_presence(concept, SEARCHED)
        if others:
            raise InputError(
                f"{one.name} comes from a concept file, which takes further references but no "
                f'"not this one". Show the object in a photo under another name instead.'
            )
        concept = Concept.load(one.concept, self.backbone)
        for reference in shown:
            concept = concept.correct(reference.image, mask=reference.mask)
        return at_presence(concept, SEARCHED)

    def _reference(self, mark: Mark) -> Reference:
        return Reference(Path(mark.photo), mask=self.run / str(mark.mask))


def taught(one: NamedObject) -> tuple[Mark, ...]:
    """The marks that the concept is learnt from."""
    kinds = ("shown", "other")
    return tuple(m for m in one.marks if m.kind in kinds or (m.kind == "corrected" and m.learnt))


def at_presence(concept: Concept, min_presence: float) -> Concept:
    """The same concept, which calls the object absent below another presence."""
    return concept.with_choices(min_presence=min_presence)


def concept_file(run: Path, one: NamedObject) -> Path:
    """Where the run's folder has an object's concept."""
    return run / "concepts" / f"{one.stem}.safetensors"
