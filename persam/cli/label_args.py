"""Label files on a command line: what they teach, and which labels a run writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from persam.cli.console import complain, count, say
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.album.labels import LabelOptions
    from persam.album.manifest import Record
    from persam.io.concept_set import ConceptSet
    from persam.io.labels import LabelSet
    from persam.io.labels.writing import Pictures

ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--images",
        help="Folder of the labelled pictures, where it is not beside the labels. May be given "
        "again.",
    ),
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="NAME", help="Of labels only this class. May be given again."),
]
PerInstanceOption = Annotated[
    bool,
    typer.Option("--per-instance", help="Of labels one object an individual, not one a class."),
]
ErrorOption = Annotated[
    float,
    typer.Option(
        "--polygon-error",
        metavar="PIXELS",
        help="How far polygons may leave the outline of a mask; 0 follows it exactly.",
    ),
]
PicturesOption = Annotated[
    Literal["copy", "link", "none"],
    typer.Option("--pictures", help="Put the pictures beside the labels as copies or links."),
]

_SUFFIXES = frozenset({".json", ".xml", ".yaml", ".yml", ".zip"})


@dataclass(frozen=True)
class LabelArgs:
    """Labels to learn from, as typed.

    Attributes:
        path: a label file, or the folder of an export.
        images: folders of the pictures.
        classes: names of those to take; none takes all.
        per_instance: one object an individual.
    """

    path: Path
    images: tuple[Path, ...] = ()
    classes: tuple[str, ...] = ()
    per_instance: bool = False

    @property
    def given(self) -> bool:
        """Whether these are labels, not a picture of the object."""
        chosen = self.images or self.classes or self.per_instance
        return bool(chosen) or self.path.is_dir() or self.path.suffix.lower() in _SUFFIXES

    def read(self) -> LabelSet:
        """Read the labels, and say what of them could not be read.

        Raises:
            InputError: none of it could.
        """
        from persam.io.labels import read_label_set

        labels = tell_problems(read_label_set(self.path, self.images))
        if labels.problems and not any(one.labels for one in labels.pictures):
            raise InputError(f"Nothing could be read of {self.path}, for the reasons above.")
        return labels


def tell_problems(labels: LabelSet) -> LabelSet:
    """Say what could not be read."""
    for line in labels.problems:
        complain(f"Not read: {line}")
    return labels


@dataclass(frozen=True)
class SaveArgs:
    """What ``--save`` and the options about labels ask for.

    Attributes:
        products: pictures, as an album writes them.
        labels: label files, and how; None where none are asked for.
    """

    products: frozenset[str]
    labels: LabelOptions | None

    @classmethod
    def of(cls, save: str, options: tuple[float, Pictures, bool], typed: Sequence[str]) -> SaveArgs:
        """Tell pictures from labels.

        Args:
            save: names with commas between.
            options: ``--polygon-error``, ``--pictures`` and ``--overwrite-hand-work``.
            typed: names of the options that were given.

        Raises:
            InputError: an option about labels where none are written.
        """
        from persam.album.labels import LabelOptions
        from persam.album.output import PRODUCTS
        from persam.io.labels import FORMATS

        words = [word.strip() for word in save.split(",")]
        strange = [word for word in words if word not in (*PRODUCTS, *FORMATS)]
        if strange:
            known = ", ".join((*PRODUCTS, *FORMATS))
            raise InputError(f"--save takes {known}; got {strange[0]!r}.")
        formats = tuple(dict.fromkeys(word for word in words if word in FORMATS))
        unread = [name for name in typed if name in ("polygon_error", "pictures")]
        if unread and not formats:
            option = unread[0].replace("_", "-")
            raise InputError(f"--{option} is about label files; add some, as --save coco.")
        products = frozenset(words) - set(formats) or frozenset({"masks"})
        return cls(products, LabelOptions(formats, *options) if formats else None)


def sets_of(files: Sequence[Path]) -> tuple[ConceptSet, ...]:
    """Those of the concept files that hold a set."""
    from persam.io.concept_set import is_concept_set, read_concept_set

    return tuple(read_concept_set(path) for path in files if is_concept_set(path))


def without_references(
    photos: Sequence[Path], sets: Sequence[ConceptSet]
) -> tuple[list[Path], LabelSet]:
    """Photos that are to be searched, and the labels of those that taught the concepts.

    Returns:
        The other photos, and classes and labelled pictures of the sets; a picture among the
        photos says there where it lies.
    """
    from dataclasses import replace

    from persam.io.labels import LabelSet
    from persam.methods.from_labels import merged

    labels = LabelSet((), ())
    for one in sets:
        labels = merged(labels, one.labels)
    places: dict[str, Path] = {}
    others = []
    for photo in photos:
        known = next(filter(None, (one.known(photo) for one in sets)), None)
        if known is None:
            others.append(photo)
        else:
            places[known.name] = photo
    pictures = tuple(replace(one, path=places.get(one.name)) for one in labels.pictures)
    return others, LabelSet(labels.classes, tuple(one for one in pictures if one.path is not None))


def write_labels_of(
    done: tuple[Sequence[Record], Path, Mapping[str, float]],
    known: LabelSet,
    name: str,
    options: LabelOptions | None,
    *,
    quiet: bool,
) -> None:
    """Write the labels of a run, and say so, and which photos were labelled by hand.

    Args:
        done: records of the run, its folder, and doubts by photo, where there are any.
        known: classes and labelled pictures that taught the concepts.
        name: of the class where one object without a name was looked for.
        options: which formats, and how; None writes none.
        quiet: say only what went wrong.

    Raises:
        InputError: a file cannot be written.
    """
    from persam.album.labels import labels_of_records, write_run_labels

    if known.pictures and not quiet:
        say(f"{count(len(known.pictures), 'photo')} labelled by hand, left as labelled")
    if options is None:
        return
    records, folder, doubts = done
    labels = labels_of_records(records, folder, known, name=name, doubts=doubts)
    for one in write_run_labels(labels, folder, options):
        if not quiet:
            say(f"Labels for {one.format}: {one.folder}")
        if one.kept:
            kept = count(len(one.kept), "label file")
            say(f"{kept} changed by hand, kept (--overwrite-hand-work to redo): {one.kept[0]}")
        for line in one.losses:
            complain(f"Left out: {line}")
