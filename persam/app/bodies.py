"""What the page may send: every field has a type and a bound, and nothing else is taken."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from persam.app.clicking import Drawing
from persam.app.export_files import PRODUCTS
from persam.errors import InputError
from persam.io.cutouts import CutoutFormat, CutoutStyle, Edges
from persam.video.output_files import Product as ClipProduct

_MOST_POINTS = 200
_MOST_PAINT = 4_000_000  # letters of base64
_MOST_SIDE = 4096
_Coordinate = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=40)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _known(product: str) -> str:
    if product not in PRODUCTS:
        raise ValueError(f"expected one of {', '.join(PRODUCTS)}")
    return product


_Product = Annotated[str, AfterValidator(_known)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DrawingBody(_Body):
    """Clicks, box and brush of one photo; coordinates are pixels of the upright photo.

    Attributes:
        points: ``(x, y, label)``.
        box: ``(x0, y0, x1, y1)``.
        paint: base64 of a grey PNG: 1 where the brush added, 2 where it erased.
        start: name of the object whose present mask is put right; None to begin with nothing.
        choice: which of the decoder's masks, by size.
    """

    points: Annotated[
        list[tuple[_Coordinate, _Coordinate, Literal[0, 1]]], Field(max_length=_MOST_POINTS)
    ] = []
    box: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate] | None = None
    paint: Annotated[str, Field(max_length=_MOST_PAINT)] | None = None
    start: _Name | None = None
    choice: Annotated[int, Field(ge=0, le=2)] | None = None

    def drawing(self, start: np.ndarray | None) -> Drawing:
        """The same with its brush layer decoded.

        Raises:
            InputError: the brush layer is no such picture.
        """
        paint = None if self.paint is None else _layer(self.paint)
        return Drawing(tuple(self.points), self.box, paint, start, self.choice)


class OutlineBody(_Body):
    """A drawing whose mask is wanted.

    Attributes:
        drawing: the drawing.
        closely: whether the answer may take as long as a second look.
    """

    drawing: DrawingBody
    closely: bool = False


class MaskBody(_Body):
    """A drawing that is kept, as what it is meant."""

    object: _Name
    kind: Literal["shown", "other", "corrected"]
    drawing: DrawingBody


class VerdictBody(_Body):
    """A word on an object in a photo; ``none`` takes back what was said."""

    object: _Name
    kind: Literal["right", "wrong", "absent", "none", "not-other"]


class ObjectBody(_Body):
    """A new object's name."""

    name: _Name


class SliderBody(_Body):
    """Where the slider stands."""

    min_presence: _Share


class FindBody(_Body):
    """A search; ``improve`` makes the corrections references first."""

    improve: bool = False


class TrackBody(_Body):
    """A clip is tracked; what is written besides masks."""

    products: Annotated[list[ClipProduct], Field(max_length=8)] = []


class ExportBody(_Body):
    """What is taken away."""

    products: Annotated[list[_Product], Field(max_length=12)]
    min_presence: _Share
    name: Annotated[str, Field(max_length=60)] = ""
    edges: Edges = "soft"
    crop: bool = True
    background: Annotated[str, Field(pattern=r"^(|blur|#[0-9a-fA-F]{6})$")] = ""
    format: CutoutFormat = "png"

    @property
    def cutouts(self) -> CutoutStyle:
        """How cut-outs look."""
        crop = 0.02 if self.crop else None
        return CutoutStyle(self.edges, crop, self.background or None, self.format)


def _layer(text: str) -> np.ndarray:
    try:
        data = base64.b64decode(text, validate=True)
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            if max(image.size) > _MOST_SIDE:
                raise InputError(f"The brush's layer is larger than {_MOST_SIDE} pixels.")
            return np.array(image.convert("RGB"))[..., 0]
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("The brush's layer is damaged. Reload the page.") from error
