"""Pictures with an object in them, as they are given on a command line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from persam.cli.object_options import MaskOrientation
    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.pipeline.reference import Reference
    from persam.variants import Method, Variant

_FORM = "PICTURE:MASK, PICTURE:X0,Y0,X1,Y1 (a box) or PICTURE:X,Y (a pixel on the object)"


@dataclass(frozen=True)
class ReferenceArgs:
    """A picture and where its object is, as typed.

    Attributes:
        picture: the file.
        mask: its mask, if there is one.
        box: ``x0,y0,x1,y1``.
        points: ``x,y`` each.
        not_points: likewise, off the object.
        label: of the mask, where it has several.
        mask_orientation: what the mask was drawn on.
        as_given: take a mask or a box that looks like a mistake.
    """

    picture: Path
    mask: Path | None = None
    box: str | None = None
    points: Sequence[str] | None = ()
    not_points: Sequence[str] | None = ()
    label: str | None = None
    mask_orientation: MaskOrientation = "ask"
    as_given: bool = False

    def __post_init__(self) -> None:
        ways = {"--mask": self.mask, "--box": self.box, "--point": self.points or None}
        given = [option for option, value in ways.items() if value is not None]
        if len(given) != 1:
            raise InputError(
                f"Show the object in {self.picture} by exactly one of --mask, --box and --point; "
                f"got {' and '.join(given) or 'none of them'}."
            )
        drawn = self.label is not None or self.mask_orientation != "ask"
        if self.mask is None and drawn:
            raise InputError("--label and --mask-orientation are about a mask; give --mask.")
        if self.mask is not None and self.not_points:
            raise InputError("--not-point goes with --point or --box; a mask says it all itself.")

    @classmethod
    def of(
        cls, text: str, mask_orientation: MaskOrientation = "ask", *, as_given: bool = False
    ) -> ReferenceArgs:
        """Read ``PICTURE:MASK``, ``PICTURE:X0,Y0,X1,Y1`` or ``PICTURE:X,Y``.

        What is left of a colon is the picture where a file has that name, so colons in names and
        drive letters do no harm.

        Raises:
            InputError: there is no such file, nothing after it, or as many numbers as neither a
                box nor a pixel has.
        """
        for place in reversed([place for place, letter in enumerate(text) if letter == ":"]):
            picture, rest = Path(text[:place]), text[place + 1 :]
            if rest and picture.is_file():
                found = _parsed(picture, rest)
                drawn_on = "ask" if found.mask is None else mask_orientation
                return replace(found, mask_orientation=drawn_on, as_given=as_given)
        why = "no part of it before a colon is an existing file"
        if Path(text).is_file():
            why = "nothing behind its name says where the object is"
        raise InputError(f"Show an object in a picture as {_FORM}; got {text!r}: {why}.")

    @property
    def files(self) -> tuple[Path, ...]:
        """The picture, and its mask if there is one."""
        return tuple(path for path in (self.picture, self.mask) if path is not None)

    @property
    def place(self) -> tuple[object, ...]:
        """Where the object is, as typed, besides the contents of the files."""
        more = (tuple(self.not_points or ()), self.label, self.mask_orientation)
        # As it was before these options, so that earlier results go on.
        return (self.box, tuple(self.points or ()), *(more if more != ((), None, "ask") else ()))

    def read(self) -> Reference:
        """The same for the library, its picture read, so that a mask can be compared with it.

        Raises:
            InputError: an unreadable file, a mask that shows nothing or everything, or numbers
                that are none.
        """
        from persam.io.images import read_image
        from persam.pipeline.reference import Reference

        picture = read_image(self.picture)
        return Reference(
            picture,
            mask=None if self.mask is None else self._mask(self.mask, picture),
            box=None if self.box is None else numbers(self.box, "--box", 4),
            points=[numbers(point, "--point", 2) for point in self.points or ()] or None,
            not_points=[numbers(point, "--not-point", 2) for point in self.not_points or ()],
            as_given=self.as_given,
        )

    def _mask(self, mask: Path, picture: np.ndarray) -> np.ndarray:
        """``(H, W)`` grey values, neither empty nor full."""
        from persam.io.mask_orientation import read_mask_of
        from persam.io.masks import check_mask

        options = {"label": self.label, "drawn_on": self.mask_orientation}
        grey = read_mask_of(self.picture, picture, mask, **options)
        check_mask(grey, f"The mask {mask}", full=False)
        return grey


@dataclass(frozen=True)
class Examples:
    """All that a command line shows of an object.

    Attributes:
        references: pictures of it, at least one.
        negatives: pictures of what it is not.
    """

    references: tuple[ReferenceArgs, ...]
    negatives: tuple[ReferenceArgs, ...] = ()

    @classmethod
    def of(
        cls, first: ReferenceArgs, also: Sequence[str] | None, negatives: Sequence[str] | None
    ) -> Examples:
        """The first reference, and what ``--also`` and ``--not`` add.

        Raises:
            InputError: something that is not a picture with an object.
        """
        more, others = (
            tuple(
                ReferenceArgs.of(text, first.mask_orientation, as_given=first.as_given)
                for text in texts or ()
            )
            for texts in (also, negatives)
        )
        return cls((first, *more), others)

    @property
    def files(self) -> tuple[Path, ...]:
        """All pictures and masks."""
        return tuple(path for one in (*self.references, *self.negatives) for path in one.files)

    @property
    def places(self) -> tuple[object, ...]:
        """Where the object is in each, as typed, and how many of them are references."""
        places = (one.place for one in (*self.references, *self.negatives))
        return len(self.references), *places

    def learn(self, backbone: Backbone, method: Method, variant: Variant) -> Concept:
        """Learn the object.

        Raises:
            InputError: unreadable files, or a mask, box or point that cannot be used.
        """
        return learner(method)(
            backbone,
            [one.read() for one in self.references],
            negatives=[one.read() for one in self.negatives],
            variant=variant,
        )


def learner(method: Method) -> Callable[..., Concept]:
    """The function that learns an object by a method."""
    from persam.methods.persam import personalize
    from persam.methods.persam_f import finetune

    return finetune if method == "persam-f" else personalize


def numbers(text: str, option: str, count: int) -> tuple[float, ...]:
    """Read ``count`` numbers with commas between them.

    Raises:
        InputError: something else was typed.

    Example:
        >>> numbers("10,20.5", "--point", 2)
        (10.0, 20.5)
    """
    values = _values(text)
    if len(values) != count or not all(map(math.isfinite, values)):
        example = ",".join(["10", "20", "300", "400"][:count])
        raise InputError(
            f"{option} takes {count} numbers with commas between them, as {option} {example}; "
            f"got {text!r}."
        )
    return values


def _values(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()


def _parsed(picture: Path, rest: str) -> ReferenceArgs:
    """What stands after the picture's colon is a box, a point, or else a mask's file."""
    count = len(_values(rest))
    if count == 4:
        return ReferenceArgs(picture, box=rest)
    if count not in (0, 2) and not Path(rest).exists():
        raise InputError(
            f"{picture} is followed by {count} numbers, {rest}: a box has 4 and a pixel 2. {_FORM}."
        )
    return (
        ReferenceArgs(picture, points=(rest,))
        if count == 2
        else ReferenceArgs(picture, mask=Path(rest))
    )
