"""Options that show an object in a picture: their types and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

MaskOrientation = Literal["ask", "upright", "stored"]

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
NotPointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--not-point",
        metavar="X,Y",
        help="Beside --point or --box: a pixel that is not on the object. May be given again.",
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="NUMBER|#COLOUR",
        help="Which label of a mask with several is the object, as 12 or '#ff8800'.",
    ),
]
OrientationOption = Annotated[
    MaskOrientation,
    typer.Option(
        "--mask-orientation",
        help="Whether the mask was drawn on the upright photo or on its pixels as they are stored, "
        "before EXIF turns them; ask takes the upright one where nothing speaks against it.",
    ),
]
AsGivenOption = Annotated[
    bool,
    typer.Option(
        "--as-given",
        help="Take masks and boxes that look like a mistake: an object that fills its picture, a "
        "thin box.",
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
        help="A picture of something similar that is not the object, given as for --also. May be "
        "given again.",
    ),
]
