"""Pictures with an object in them, as they are given on a command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.pipeline.reference import Reference
    from persam.variants import Method, Variant

_FORM = "PICTURE:MASK, PICTURE:X0,Y0,X1,Y1 (a box) or PICTURE:X,Y (a pixel on the object)"

MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask", help="Picture of the reference's size: the object bright, the rest black."
    ),
]
BoxOption = Annotated[
    str | None,
    typer.Option(
        "--box", metavar="X0,Y0,X1,Y1", help="Instead of a mask: a box round the object, in pixels."
    ),
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y",
        help="Instead of a mask: a pixel on the object. May be given again.",
    ),
]
AlsoOption = Annotated[
    list[str] | None,
    typer.Option(
        "--also",
        metavar="PICTURE:MASK",
        help="One more picture of the object; instead of the mask X0,Y0,X1,Y1 or X,Y. May be given "
        "again.",
    ),
]
NotOption = Annotated[
    list[str] | None,
    typer.Option(
        "--not",
        metavar="PICTURE:MASK",
        help="What the object is not, however like it; given as --also is. May be given again.",
    ),
]


@dataclass(frozen=True)
class ReferenceArgs:
    """A picture and where its object is, as typed.

    Attributes:
        picture: the file.
        mask: its mask, if there is one.
        box: ``x0,y0,x1,y1``.
        points: ``x,y`` each.
    """

    picture: Path
    mask: Path | None = None
    box: str | None = None
    points: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ways = {"--mask": self.mask, "--box": self.box, "--point": self.points or None}
        given = [option for option, value in ways.items() if value is not None]
        if len(given) != 1:
            raise InputError(
                f"Show the object in {self.picture} by exactly one of --mask, --box and --point; "
                f"got {' and '.join(given) or 'none of them'}."
            )

    @classmethod
    def of(cls, text: str) -> ReferenceArgs:
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
                return _told(picture, rest)
        raise InputError(
            f"Show an object in a picture as {_FORM}; got {text!r}, in which no file stands before "
            f"a colon."
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """The picture, and its mask if there is one."""
        return tuple(path for path in (self.picture, self.mask) if path is not None)

    def shown(self) -> Reference:
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
            mask=None if self.mask is None else _grey(self.mask, picture),
            box=None if self.box is None else numbers(self.box, "--box", 4),
            points=[numbers(point, "--point", 2) for point in self.points] or None,
        )


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
        more = tuple(ReferenceArgs.of(text) for text in also or ())
        return cls((first, *more), tuple(ReferenceArgs.of(text) for text in negatives or ()))

    @property
    def files(self) -> tuple[Path, ...]:
        """All pictures and masks."""
        return tuple(path for told in (*self.references, *self.negatives) for path in told.files)

    @property
    def places(self) -> tuple[object, ...]:
        """Where the object is in each, as typed, and how many of them are references."""
        ways = ((told.box, told.points) for told in (*self.references, *self.negatives))
        return len(self.references), *ways

    def learn(self, backbone: Backbone, method: Method, variant: Variant) -> Concept:
        """Learn the object.

        Raises:
            InputError: unreadable files, or a mask, box or point that cannot be used.
        """
        return learner(method)(
            backbone,
            [told.shown() for told in self.references],
            negatives=[told.shown() for told in self.negatives],
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


def _grey(mask: Path, picture: np.ndarray) -> np.ndarray:
    """The mask of a picture ``(H, W, 3)`` as ``(H, W)`` grey values, neither empty nor full."""
    from persam.io.masks import check_mask, read_mask

    height, width = picture.shape[:2]
    grey = read_mask(mask, (height, width))
    check_mask(grey, f"The mask {mask}", full=False)
    return grey


def _values(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()


def _told(picture: Path, rest: str) -> ReferenceArgs:
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
