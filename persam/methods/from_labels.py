"""Concepts from label files: one a class, or one a labelled individual."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.concept_set import ConceptSet, PictureContent
from persam.io.labels import LabelSet
from persam.pipeline.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from persam.concept import Concept
    from persam.io.labels import Label, LabelledPicture

    Shown = Sequence[tuple[LabelledPicture, Label]]


def labelled_objects(
    labels: LabelSet, classes: Sequence[str] = (), *, per_instance: bool = False
) -> dict[str, list[Reference]]:
    """What each object's references are.

    Labels that models made teach nothing: only a person's do. Several masks of one class in one
    picture are one reference of the class. With ``per_instance`` labels of one class and one group
    show one individual, in however many pictures; a label without a group is an individual alone.

    Args:
        labels: with their pictures at hand.
        classes: names of those to take; all where none is named.
        per_instance: one object an individual, not one a class.

    Returns:
        References by the object's name, in the order of the classes.

    Raises:
        InputError: no such class, nothing a person labelled, or a picture that is not at hand.
    """
    names = [labels.class_of(name).name for name in classes] or [c.name for c in labels.classes]
    found: dict[str, list[Reference]] = {}
    for name in names:
        shown = [
            (picture, label)
            for picture, label in labels.of_class(name)
            if label.origin.by == "person"
        ]
        for individual, own in _individuals(name, shown, per_instance=per_instance).items():
            found[individual] = _references(own)
    if not found:
        raise InputError(
            f"No person has labelled any object of {', '.join(map(repr, names)) or 'any class'}."
        )
    return found


def learn_labels(
    labels: LabelSet,
    objects: Mapping[str, Sequence[Reference]],
    learn: Callable[[Sequence[Reference]], Concept],
) -> ConceptSet:
    """Learn every object, and keep the labels beside the concepts.

    Args:
        labels: where the objects are from.
        objects: as :func:`labelled_objects` gives them.
        learn: makes a concept of an object's references, as :func:`persam.personalize` does.

    Raises:
        InputError: a reference cannot be used; the message names the object.
    """
    concepts = {}
    for name, references in objects.items():
        try:
            concepts[name] = concept_bytes(learn(list(references)))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    taught = tuple(one for one in labels.pictures if one.by_person and one.at_hand)
    contents = tuple(map(PictureContent.of_picture, taught))
    return ConceptSet(concepts, LabelSet(labels.classes, taught), contents)


def concept_bytes(concept: Concept) -> bytes:
    """Contents of a concept's file."""
    with TemporaryDirectory(prefix="persam-") as folder:
        path = Path(folder) / "concept.safetensors"
        concept.save(path)
        return path.read_bytes()


def merged(known: LabelSet, more: LabelSet) -> LabelSet:
    """Two label sets as one; of a picture that both have, the later one's labels count."""
    classes = {one.name: one for one in known.classes}
    free = max((one.number for one in known.classes), default=0) + 1
    for one in more.classes:
        if one.name not in classes:
            taken = {other.number for other in classes.values()}
            number = one.number if one.number not in taken else free
            classes[one.name] = replace(one, number=number)
            free = max(free, number + 1)
    pictures = {one.name: one for one in (*known.pictures, *more.pictures)}
    return LabelSet(tuple(classes.values()), tuple(pictures.values()))


def _individuals(name: str, shown: Shown, *, per_instance: bool) -> dict[str, Shown]:
    """The labels of a class by the name of the object that they show."""
    if not per_instance:
        return {name: shown} if shown else {}
    found: defaultdict[object, list[tuple[LabelledPicture, Label]]] = defaultdict(list)
    for number, (picture, label) in enumerate(shown):
        alone = label.group is None
        found[("alone", number) if alone else label.group].append((picture, label))
    return {f"{name} {number}": own for number, own in enumerate(found.values(), start=1)}


def _references(shown: Shown) -> list[Reference]:
    """One reference for all masks of a picture; one for each box, and one for its points."""
    references = []
    masks: dict[LabelledPicture, np.ndarray] = {}
    for picture, label in shown:
        if label.kind == "mask":
            before = masks.get(picture)
            masks[picture] = label.mask if before is None else before | label.mask
        elif label.box is not None:
            references.append(Reference(picture.source, box=label.box, as_given=True))
        else:
            references.append(Reference(picture.source, points=label.points))
    drawn = [Reference(one.source, mask=mask, as_given=True) for one, mask in masks.items()]
    return [*drawn, *references]
