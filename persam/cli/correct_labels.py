"""`persam correct --labels`: what people drew in another tool, learnt."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from persam.cli.console import count, say
from persam.cli.label_args import sets_of, tell_problems, without_references
from persam.errors import InputError
from persam.io.folders import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from persam.concept import Concept
    from persam.io.labels import LabelledPicture, LabelSet


def changed_labels(path: Path, photos: Sequence[Path], known: LabelSet) -> LabelSet:
    """The labels of a file that people drew or changed, and that taught nothing yet.

    Args:
        path: a label file, or the folder of an export.
        photos: that the labels are of.
        known: what taught the concepts.

    Raises:
        InputError: nobody changed any, or one is of a photo that is not given.
    """
    from persam.io.labels import read_label_set
    from persam.io.labels.pictures import PictureFolder

    folders = list(dict.fromkeys(photo.parent for photo in photos))
    labels = tell_problems(read_label_set(path, folders))
    here = PictureFolder(folders)
    taught = {
        (one.name, label.name, label.digest) for one in known.pictures for label in one.labels
    }
    changed = []
    for picture in labels.pictures:
        drawn = tuple(one for one in picture.labels if one.origin.by == "person")
        new = [one for one in drawn if (picture.name, one.name, one.digest) not in taught]
        if new:
            changed.append(replace(picture, labels=drawn, path=here.get(picture.name)))
    if not changed:
        raise InputError(
            f"Nobody has changed a label in {path}: all are as a run wrote them, or taught the "
            f"concept already."
        )
    return replace(labels, pictures=tuple(changed))


def correct_set(
    file: Path,
    photos: Sequence[Path],
    path: Path,
    out: Path,
    load: Callable[[Mapping[str, Path]], Mapping[str, Concept]],
) -> None:
    """Learn from changed labels and write the better concepts, with the labels that taught them.

    Args:
        file: a set of concepts.
        photos: that the labels are of; the set's own pictures are known by their content.
        path: of the labels.
        out: the file of the better set.
        load: gives the concepts of files by name.

    Raises:
        InputError: nothing to learn, or a picture that has to be learnt again is not among photos.
    """
    from persam.io.concept_set import ConceptSet, PictureContent, write_concept_set
    from persam.methods.from_labels import concept_bytes, labelled_objects, merged

    refuse_overwriting([out], [*photos, path], "Choose another --out.")
    sets = sets_of([file])
    if not sets:
        raise InputError(
            f"{file} does not say which classes it knows; --labels goes with what `persam learn "
            f"LABELS` wrote. Use --masks."
        )
    (before,) = sets
    _, at_hand = without_references(photos, [before])
    changed = changed_labels(path, photos, before.labels)
    concepts = load({"": file})
    _refuse_strange(changed, concepts)
    labels = merged(_with_places(before.labels, at_hand), changed)
    again = {one.name for one in changed.pictures} & {one.name for one in before.labels.pictures}
    better = dict(concepts)
    for name, references in labelled_objects(changed).items():
        if again:
            better[name] = _relearnt(concepts[name], labels, name)
            continue
        for one in references:
            better[name] = better[name].correct(
                one.image, mask=one.mask, box=one.box, points=one.points
            )
    contents = {one.name: c for one, c in zip(before.labels.pictures, before.contents, strict=True)}
    contents |= {one.name: PictureContent.of(one.path) for one in changed.pictures if one.path}
    data = {name: concept_bytes(one) for name, one in better.items()}
    every = tuple(contents[one.name] for one in labels.pictures)
    write_concept_set(out, ConceptSet(data, labels, every))
    _report(changed, labels, out)


def _report(changed: LabelSet, labels: LabelSet, out: Path) -> None:
    for picture in changed.pictures:
        say(f"Took the labels of {picture.name}")
    for kind in labels.classes:
        shown = sum(any(one.name == kind.name for one in p.labels) for p in labels.pictures)
        say(f"{kind.name}: {count(shown, 'reference')}")
    say(f"Learnt: {out}")


def _refuse_strange(changed: LabelSet, concepts: Mapping[str, Concept]) -> None:
    named = defaultdict(list)
    for picture in changed.pictures:
        for label in picture.labels:
            named[label.name].append(picture.name)
    strange = sorted(set(named) - set(concepts))
    if strange:
        raise InputError(
            f"{named[strange[0]][0]} has labels of {strange[0]!r}, which is not among the concepts "
            f"({', '.join(concepts)}). Learn it anew: persam learn LABELS --images DIR."
        )


def _with_places(labels: LabelSet, at_hand: LabelSet) -> LabelSet:
    """Labels of the set, its pictures where they lie now."""
    places: dict[str, LabelledPicture] = {one.name: one for one in at_hand.pictures}
    pictures = tuple(places.get(one.name, one) for one in labels.pictures)
    return replace(labels, pictures=pictures)


def _relearnt(concept: Concept, labels: LabelSet, name: str) -> Concept:
    """The concept learnt anew from all labels, as some of them are others now."""
    from persam.cli.object_args import learner
    from persam.methods.from_labels import labelled_objects

    references = labelled_objects(labels, [name])[name]
    return learner(concept.method)(concept.backbone, references, variant=concept.variant)
