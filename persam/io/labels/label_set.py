"""What label files say as a whole: pictures with their labels, and the classes of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.labels.structures import Label, LabelClass

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture and what is marked in it.

    Attributes:
        name: as its label file calls it, a path with ``/``.
        size: ``(height, width)``, upright.
        labels: in the order of the file; none where somebody saw that nothing is there.
        path: the picture itself, None where there is no such file at hand.
        number: its id in files whose format has ids.
        data: contents of the picture's file, where only the label file has them.

    Example:
        >>> picture = LabelledPicture("a.jpg", (4, 6), (Label.of_box("dog", (1, 1, 3, 3), (4, 6)),))
        >>> (picture.by_person, picture.at_hand)
        (True, False)
    """

    name: str
    size: tuple[int, int]
    labels: tuple[Label, ...] = ()
    path: Path | None = None
    number: int | None = None
    data: bytes | None = None

    @property
    def source(self) -> Path | bytes:
        """The picture's file, or its contents, for whoever reads it.

        Raises:
            InputError: it is not at hand.
        """
        if self.path is not None:
            return self.path
        if self.data is None:
            raise InputError(f"{self.name} is not at hand; name its folder by --images.")
        return self.data

    @property
    def at_hand(self) -> bool:
        """Whether the picture itself is there."""
        return self.path is not None or self.data is not None

    @property
    def by_person(self) -> bool:
        """Whether a person made any label of it."""
        return any(label.origin.by == "person" for label in self.labels)


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Everything that label files say.

    Attributes:
        classes: without repetition, also those of which no picture shows any.
        pictures: likewise.
        problems: one line for each file or label that could not be read; the rest is here.

    Example:
        >>> dog = Label.of_box("dog", (1, 1, 3, 3), (4, 6))
        >>> labels = LabelSet((LabelClass(1, "dog"),), (LabelledPicture("a.jpg", (4, 6), (dog,)),))
        >>> [(picture.name, one.kind) for picture, one in labels.of_class("dog")]
        [('a.jpg', 'box')]
    """

    classes: tuple[LabelClass, ...]
    pictures: tuple[LabelledPicture, ...]
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [one.name for one in self.classes]
        numbers = [one.number for one in self.classes]
        if len(set(names)) < len(names) or len(set(numbers)) < len(numbers):
            raise InputError(f"Two classes share a name or a number: {list(self.classes)}.")

    def class_of(self, name: str) -> LabelClass:
        """The class of a name.

        Raises:
            InputError: there is none; names those that there are.
        """
        for one in self.classes:
            if one.name == name:
                return one
        known = ", ".join(repr(one.name) for one in self.classes) or "none"
        raise InputError(f"There is no class {name!r}; the labels have {known}.")

    def of_class(self, name: str) -> list[tuple[LabelledPicture, Label]]:
        """All labels of a class with their pictures, crowds left out."""
        self.class_of(name)
        pairs = ((picture, label) for picture in self.pictures for label in picture.labels)
        return [(picture, one) for picture, one in pairs if one.name == name and not one.crowd]


def classes_of(names: Iterable[str], known: Iterable[LabelClass] = ()) -> tuple[LabelClass, ...]:
    """Number the classes of a format that has names alone: known ones first, then by the alphabet.

    Example:
        >>> [one.number for one in classes_of(["dog", "cat"], [LabelClass(4, "dog")])]
        [4, 5]
    """
    classes = {one.name: one for one in known}
    first = max((one.number for one in classes.values()), default=0) + 1
    new = sorted(set(names) - set(classes))
    return (*classes.values(), *(LabelClass(n, name) for n, name in enumerate(new, start=first)))
