"""`persam correct --labels`: what people drew or deleted in another tool, learnt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from persam.cli.console import count, say
from persam.cli.label_args import sets_of, tell_problems, without_references
from persam.errors import InputError
from persam.io.folders import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from persam.album.label_changes import LabelChanges
    from persam.concept import Concept
    from persam.io.concept_set import ConceptSet
    from persam.io.labels import LabelledPicture, LabelSet


@dataclass(frozen=True)
class CorrectedLabels:
    """Labels that were put right, as typed.

    Attributes:
        path: a label file, or the folder of an export.
        photos: that they are of.
        run: what `persam segment` wrote; None looks for it round the labels.
    """

    path: Path
    photos: Sequence[Path]
    run: Path | None = None


def correct_by_labels(
    file: Path,
    asked: CorrectedLabels,
    out: Path,
    load: Callable[[Mapping[str, Path]], Mapping[str, Concept]],
) -> None:
    """Learn from changed labels and write the better concepts, with the labels that taught them.

    Args:
        file: a concept, or a set; the set's own pictures are known by their content.
        asked: which labels.
        out: the better file.
        load: gives the concepts of files by name.

    Raises:
        InputError: nothing to learn, or a picture that has to be learnt again is not among photos.
    """
    refuse_overwriting([out], [*asked.photos, asked.path], "Choose another --out.")
    before = next(iter(sets_of([file])), None)
    labels = _read(asked)
    name = _lone_name(file, labels) if before is None else "object"
    changes = _changes(asked, labels, before, name)
    concepts = load({name: file})
    _refuse_strange(changes.labels, concepts)
    better = _improved(concepts, changes, before, asked.photos)
    if before is None:
        better[name].save(out)
        counts = {name: len(better[name].references)}
    else:
        every = _merged(before, changes, asked.photos)
        _write(out, better, before, every)
        counts = {one.name: _shown(every, one.name) for one in every.classes}
    _report(changes, counts, out)


def _read(asked: CorrectedLabels) -> LabelSet:
    from persam.io.labels import read_label_set

    folders = list(dict.fromkeys(photo.parent for photo in asked.photos))
    return tell_problems(read_label_set(asked.path, folders))


def _lone_name(file: Path, labels: LabelSet) -> str:
    """Of which class a file of one concept is.

    Raises:
        InputError: the labels have several classes, none of them called like the file.
    """
    names = [one.name for one in labels.classes]
    if len(names) == 1:
        return names[0]
    if file.stem in names:
        return file.stem
    raise InputError(
        f"The labels have {count(len(names), 'class', 'classes')} ({', '.join(names)}), and "
        f"{file.name} is one object of another name. Name the file like its class: dog.safetensors."
    )


def _changes(
    asked: CorrectedLabels, labels: LabelSet, before: ConceptSet | None, name: str
) -> LabelChanges:
    from persam.album.label_changes import label_changes, run_of
    from persam.io.labels import LabelSet

    known = LabelSet((), ()) if before is None else before.labels
    run = asked.run or run_of(asked.path)
    changes = label_changes(labels, known, asked.photos, run, name)
    if not changes.labels.pictures:
        raise InputError(
            f"Nobody has changed a label in {asked.path}: all are as a run wrote them, or taught "
            f"the concept already."
        )
    return changes


def _refuse_strange(changed: LabelSet, concepts: Mapping[str, Concept]) -> None:
    for picture in changed.pictures:
        strange = [one.name for one in picture.labels if one.name not in concepts]
        if strange:
            raise InputError(
                f"{picture.name} has labels of {strange[0]!r}, which is not among the concepts "
                f"({', '.join(concepts)}). Learn it anew: persam learn LABELS --images DIR."
            )


def _improved(
    concepts: Mapping[str, Concept],
    changes: LabelChanges,
    before: ConceptSet | None,
    photos: Sequence[Path],
) -> dict[str, Concept]:
    """The concepts, with more references and with what they are not."""
    from persam.methods.from_labels import labelled_objects

    better = dict(concepts)
    again = [] if before is None else _among(before.labels, changes.labels)
    if before is not None and again:
        every = _merged(before, changes, photos)
        for name in _classes([*again, *changes.labels.pictures]):
            better[name] = _relearnt(concepts[name], every, name)
    elif any(one.by_person for one in changes.labels.pictures):
        for name, references in labelled_objects(changes.labels).items():
            for one in references:
                shown = {"mask": one.mask, "box": one.box, "points": one.points}
                better[name] = better[name].correct(one.image, as_given=one.as_given, **shown)
    for one in changes.mistakes:
        if one.picture.path is not None and one.label.name in better:
            name = one.label.name
            better[name] = better[name].reject(one.picture.path, one.label.mask)
    return better


def _among(known: LabelSet, changed: LabelSet) -> list[LabelledPicture]:
    """Pictures that taught something before, and say something else now."""
    names = {one.name for one in changed.pictures}
    return [one for one in known.pictures if one.name in names]


def _classes(pictures: Iterable[LabelledPicture]) -> list[str]:
    """Classes of which people drew something in pictures."""
    drawn = (one for picture in pictures for one in picture.labels if one.origin.by == "person")
    return list(dict.fromkeys(one.name for one in drawn))


def _merged(before: ConceptSet, changes: LabelChanges, photos: Sequence[Path]) -> LabelSet:
    """All labels that teach, the pictures of the set where they lie now."""
    from persam.methods.from_labels import merged

    _, at_hand = without_references(photos, [before])
    places = {one.name: one for one in at_hand.pictures}
    pictures = tuple(places.get(one.name, one) for one in before.labels.pictures)
    return merged(replace(before.labels, pictures=pictures), changes.labels)


def _relearnt(concept: Concept, labels: LabelSet, name: str) -> Concept:
    """The concept learnt anew from all labels, as some of them are others now."""
    from persam.cli.object_args import learner
    from persam.methods.from_labels import labelled_objects

    references = labelled_objects(labels, [name])[name]
    learnt = learner(concept.method)(concept.backbone, references, variant=concept.variant)
    return replace(learnt, negatives=concept.negatives)


def _write(out: Path, better: Mapping[str, Concept], before: ConceptSet, labels: LabelSet) -> None:
    from persam.io.concept_set import ConceptSet, PictureContent, write_concept_set
    from persam.methods.from_labels import concept_bytes

    known = zip(before.labels.pictures, before.contents, strict=True)
    contents = {picture.name: content for picture, content in known}
    new = (one for one in labels.pictures if one.name not in contents)
    contents |= {one.name: PictureContent.of(one.path) for one in new if one.path is not None}
    data = {name: concept_bytes(one) for name, one in better.items()}
    every = tuple(contents[one.name] for one in labels.pictures)
    write_concept_set(out, ConceptSet(data, labels, every))


def _shown(labels: LabelSet, name: str) -> int:
    """In how many pictures a person drew a class."""
    return sum(
        any(one.name == name and one.origin.by == "person" for one in picture.labels)
        for picture in labels.pictures
    )


def _report(changes: LabelChanges, counts: Mapping[str, int], out: Path) -> None:
    for picture in changes.labels.pictures:
        say(f"Took the labels of {picture.name}")
    for one in changes.mistakes:
        say(
            f"Took what was deleted in {one.picture.name} for something other than {one.label.name}"
        )
    for name, number in counts.items():
        say(f"{name}: {count(number, 'reference')}")
    say(f"Learnt: {out}")
