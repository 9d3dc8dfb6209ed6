"""What a person said: which objects there are, what shows them, what was right and what was not.

All of it is one small file, ``app.json`` in the folder of the run, written whole after every
change; masks lie beside it as files that the command line takes as they are.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from persam.errors import InputError
from persam.io.writers import write_text

NAME = "app.json"
MOST_OBJECTS = 24
_NAME = re.compile(r"[\w][\w .-]{0,39}")

Kind = Literal["shown", "other", "corrected", "right", "wrong", "absent"]
HAND_MADE: frozenset[Kind] = frozenset({"shown", "corrected", "absent"})


@dataclass(frozen=True)
class Mark:
    """What a person said of one object in one photo.

    Attributes:
        photo: its path, absolute.
        kind: ``shown``: this is the object, learn from it. ``other``: this is not it, however
            like it. ``corrected``: the mask was put right. ``right``, ``wrong``: so was the
            answer. ``absent``: the object is not in the photo.
        mask: file of the person's mask, relative to the folder of the run; None where there is
            none.
        learnt: whether the concept has learnt from it.
    """

    photo: str
    kind: Kind
    mask: str | None = None
    learnt: bool = False


@dataclass(frozen=True)
class NamedObject:
    """An object that the photos are searched for.

    Attributes:
        name: the user's.
        marks: what was said of it; at most one a photo, and one more of kind ``other``.
        concept: file of a concept that the user brought, which everything else adds to.
    """

    name: str
    marks: tuple[Mark, ...] = ()
    concept: str | None = None

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def stem(self) -> str:
        """The name as part of a file name."""
        return re.sub(r"[ .]+", "-", self.name).strip("-")

    @property
    def learnable(self) -> bool:
        """Whether anything shows what it looks like."""
        return self.concept is not None or any(mark.kind == "shown" for mark in self.marks)

    def mark(self, photo: str) -> Mark | None:
        """What was said of it in a photo, besides what is not it."""
        found = [one for one in self.marks if one.photo == photo and one.kind != "other"]
        return found[0] if found else None

    def with_mark(self, mark: Mark) -> NamedObject:
        """The same object with one more mark, in place of the one that said the same."""
        other = mark.kind == "other"
        left = [m for m in self.marks if m.photo != mark.photo or (m.kind == "other") != other]
        return replace(self, marks=(*left, mark))

    def without_mark(self, photo: str, *, other: bool) -> NamedObject:
        """The same object, of which nothing was said in that photo."""
        left = [m for m in self.marks if m.photo != photo or (m.kind == "other") != other]
        return replace(self, marks=tuple(left))


@dataclass(frozen=True)
class AppState:
    """What ``app.json`` holds.

    Attributes:
        format: of the file.
        objects: in the order of their numbers in label maps.
        folder: of the photos, absolute; what the marks' paths were relative to.
        min_presence: where the slider stands; None for the concepts' own threshold.
    """

    format: Literal[1] = 1
    objects: tuple[NamedObject, ...] = ()
    folder: str | None = None
    min_presence: float | None = field(default=None)


_ADAPTER = TypeAdapter(AppState)


def read_state(run: Path, folder: Path | None) -> AppState:
    """Read the state of a run's folder; that of a new one where there is none.

    A folder of photos that has been moved since takes its marks along.

    Raises:
        InputError: the file cannot be read, or something else wrote it.
    """
    path = run / NAME
    here = None if folder is None else str(folder.absolute())
    try:
        state = _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return AppState(folder=here)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise InputError(
            f"{path} is not of this version of the page ({error.error_count()} places differ). "
            f"Move the file away, or choose another --out."
        ) from error
    return _moved(state, here)


def write_state(run: Path, state: AppState) -> None:
    """Write the state, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(run / NAME, json.dumps(asdict(state), indent=1) + "\n")


def check_name(name: str) -> None:
    """Refuse names that make no file names.

    Raises:
        InputError: empty, too long, or with other signs than letters, digits, blanks, . - and _.

    Example:
        >>> check_name("my dog 2")
    """
    if not _NAME.fullmatch(name) or name != name.strip() or name.endswith("."):
        raise InputError(
            "A name has 1 to 40 letters, digits, blanks, dots, hyphens or underscores, and begins "
            "with a letter or a digit."
        )


def _moved(state: AppState, here: str | None) -> AppState:
    if here is None or state.folder in (None, here):
        return replace(state, folder=here)
    before = Path(str(state.folder))

    def moved(mark: Mark) -> Mark:
        path = Path(mark.photo)
        inside = path.is_relative_to(before)
        return replace(mark, photo=str(Path(here) / path.relative_to(before))) if inside else mark

    objects = tuple(replace(o, marks=tuple(map(moved, o.marks))) for o in state.objects)
    return replace(state, objects=objects, folder=here)


def as_json(one: NamedObject) -> dict[str, Any]:
    """What the page is told of an object, without paths."""
    return {"name": one.name, "learnable": one.learnable, "brought": one.concept is not None}
