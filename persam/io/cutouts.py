"""Cut-outs: the object alone, on nothing or on another background, whole or cropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from PIL import Image, ImageColor, ImageOps
from scipy import ndimage

from persam.errors import InputError
from persam.io.drawing import around
from persam.io.images import read_image
from persam.io.matting import Matte, require_matting, soft_edges

if TYPE_CHECKING:
    from collections.abc import Callable

Edges = Literal["soft", "hard"]
CutoutFormat = Literal["png", "webp"]
EDGES: tuple[Edges, ...] = get_args(Edges)
CUTOUT_FORMATS: tuple[CutoutFormat, ...] = get_args(CutoutFormat)

BLUR = "blur"
_BLUR_SHARE = 0.02  # of the long side: the radius at which a background is clearly out of focus


@dataclass(frozen=True)
class CutoutStyle:
    """How a cut-out looks.

    Attributes:
        edges: ``"soft"`` estimates how much of each pixel at the edge is the object, and its colour
            without the old background (``persam[matting]``); ``"hard"`` takes whole pixels.
        crop: how much to leave round the object, as a share of its longer side; None keeps the
            whole photo's size.
        background: None for nothing; a colour by name or as ``#rrggbb``; a picture file, scaled to
            cover; or ``"blur"``, the photo's own background out of focus.
        format: ``"png"`` or ``"webp"``, smaller.
    """

    edges: Edges = "soft"
    crop: float | None = None
    background: str | None = None
    format: CutoutFormat = "png"

    def __post_init__(self) -> None:
        for name, allowed in (("edges", EDGES), ("format", CUTOUT_FORMATS)):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"A cut-out's {name} is {' or '.join(allowed)}; got {getattr(self, name)!r}."
                )
        if self.crop is not None and not 0 <= self.crop <= 10:
            raise InputError(
                f"A crop leaves between 0 and 10 times the object's longer side around it; got "
                f"{self.crop}."
            )
        if self.background is not None:
            _background_of(self.background)

    def check(self) -> None:
        """Find out whether such cut-outs can be made here, before any work is done.

        Raises:
            MissingExtra: soft edges without pymatting.
        """
        if self.edges == "soft":
            require_matting()


def make_cutout(
    image: np.ndarray,
    mask: np.ndarray,
    style: CutoutStyle | None = None,
    *,
    width: float | None = None,
    unsure: np.ndarray | None = None,
) -> np.ndarray:
    """Cut an object out of its photo.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, or ``(H, W, 4)`` where the photo has transparency.
        mask: ``(H, W)`` bool.
        style: how it looks; left out, soft edges on nothing, at the photo's size.
        width: how far the mask's edge may be off, in pixels; left out, two cells of the
            built-in model's masks. Hard edges do not read it.
        unsure: ``(H, W)`` bool, pixels that the model is not sure of; likewise.

    Returns:
        ``(h, w, 4)`` uint8 RGBA, or ``(h, w, 3)`` RGB on a background. Where nothing of the object
        is, colours are black, so that nothing hides there. An empty mask is never cropped.

    Raises:
        InputError: sizes that do not fit, or a background picture that cannot be read.
        MissingExtra: soft edges without pymatting.
    """
    style = style or CutoutStyle()
    if style.background is None and image.shape[:2] == mask.shape and not mask.any():
        return np.zeros((*mask.shape, 4), dtype=np.uint8)
    colours = np.ascontiguousarray(image[..., :3])
    if style.edges == "soft":
        matte = soft_edges(colours, mask, width, unsure)
    else:
        matte = Matte(mask.astype(np.float32), colours)
    if image.shape[2] == 4:
        matte = replace(matte, alpha=matte.alpha * (image[..., 3] / np.float32(255)))
    return lay_out(colours, matte, style)


def lay_out(image: np.ndarray, matte: Matte, style: CutoutStyle) -> np.ndarray:
    """Put a matte on its background, if any, and crop it; see :func:`make_cutout`."""
    opacity = np.rint(matte.alpha * 255).astype(np.uint8)
    area = crop_area(opacity > 0, style.crop)
    colours = matte.colours[area]
    if style.background is None:
        return _on_nothing(colours, opacity[area])
    behind = _background_of(style.background)(image, matte.alpha)[area]
    share = matte.alpha[area][..., None]
    return np.rint(colours * share + behind * (1 - share)).astype(np.uint8)


def crop_area(visible: np.ndarray, margin: float | None) -> tuple[slice, slice]:
    """The rows and columns to keep: the object and a margin, within the photo.

    Args:
        visible: ``(H, W)`` bool, where anything of the object is.
        margin: as a share of the object's longer side; None keeps everything.

    Example:
        >>> visible = np.zeros((10, 10), dtype=bool)
        >>> visible[4:6, 2:6] = True
        >>> crop_area(visible, 0.25)
        (slice(3, 7, None), slice(1, 7, None))
    """
    if margin is None or not visible.any():
        return slice(None), slice(None)
    longer = max(side.stop - side.start for side in around(visible))
    return around(visible, round(margin * longer))


def _on_nothing(colours: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """``(h, w, 4)`` RGBA that is black where nothing shows."""
    cut = np.zeros((opacity.size, 4), dtype=np.uint8)
    shown = np.flatnonzero(opacity)
    cut[shown, :3] = colours.reshape(-1, 3)[shown]
    cut[:, 3] = opacity.reshape(-1)
    return cut.reshape(*opacity.shape, 4)


def _background_of(word: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What makes a background of a photo's size out of the photo and the object's alpha."""
    if word == BLUR:
        return _out_of_focus
    try:
        colour = ImageColor.getrgb(word)[:3]
    except ValueError:
        pass
    else:
        return lambda image, _: np.full_like(image, colour)
    if not Path(word).is_file():
        raise InputError(
            f"A background is a colour (white, #20304a), a picture file, or blur; got {word!r}, "
            f"which is no colour and no file."
        )
    return lambda image, _: _covering(Path(word), image)


def _covering(path: Path, image: np.ndarray) -> np.ndarray:
    """A picture scaled to cover the photo, its middle kept."""
    height, width = image.shape[:2]
    return np.asarray(ImageOps.fit(Image.fromarray(read_image(path)), (width, height)))


def _out_of_focus(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The photo blurred without the object, which would shine through as a glow round itself."""
    small = _shrunk(image)
    share = 1 - np.asarray(Image.fromarray(alpha).resize(small.size, Image.Resampling.BOX))
    pixels = np.asarray(small, dtype=np.float32) * share[..., None]
    sigma = _BLUR_SHARE * max(share.shape)
    weight = ndimage.gaussian_filter(share, sigma)
    # Deep inside a large object there is no background near: the blur reaches on, ever thinner.
    total = np.dstack([ndimage.gaussian_filter(pixels[..., c], sigma) for c in range(3)])
    wide = ndimage.gaussian_filter(share, 8 * sigma)
    far = np.dstack([ndimage.gaussian_filter(pixels[..., c], 8 * sigma) for c in range(3)])
    blurred = (total + 1e-3 * far) / np.maximum(weight + 1e-3 * wide, 1e-9)[..., None]
    height, width = alpha.shape
    back = Image.fromarray(np.rint(blurred.clip(0, 255)).astype(np.uint8))
    return np.asarray(back.resize((width, height), Image.Resampling.BICUBIC))


def _shrunk(image: np.ndarray) -> Image.Image:
    """At most 800 pixels a side: what is out of focus has no more than that."""
    picture = Image.fromarray(image)
    scale = min(1.0, 800 / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX)
