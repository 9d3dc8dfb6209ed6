"""Soft edges: how much of each pixel is the object, and the object's own colour there.

Closed-form matting and multi-level foreground colours, both from pymatting (``persam[matting]``).
Only the band round a mask's edge is worked on, from coarse to fine: what a smaller copy of the
photo has settled is not asked again, so that the time depends on the length of the edge and not on
the size of the photo.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import ndimage

from persam.errors import InputError, MissingExtra
from persam.io.drawing import around

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_TILE, _OVERLAP = 384, 32  # pixels: what is solved at once, and what neighbours share
_WIDEST = 8  # pixels of a band on each side of the edge; wider ones begin at half the size
_SETTLED = 0.03  # as near to 0 or 1, a pixel of the smaller copy is taken as known
_LARGEST = 400  # pixels of the band's longer side; beyond it half is solved and made finer
_WINDOW, _FLAT = 5, 1e-4  # of that: its window in pixels, and the contrast below which it is flat
_HAIR = 0.2  # of the band's width: half of the thickness below which a part is hair
_SMOOTH = 3e-4  # epsilon of the matting Laplacian, for colours of 0..1: about the noise of a photo
_TOLERANCE = 1e-4
# pymatting's compiled loops have threads of their own, which no two threads of ours may enter; and
# where they are loaded they set OpenMP's number of threads, which is each thread's own. Loaded
# here, they leave a network's number alone.
_BESIDE = ThreadPoolExecutor(1, "persam-matting")


@dataclass(frozen=True, eq=False)
class Matte:
    """An object with soft edges.

    Attributes:
        alpha: ``(H, W)`` float32, share of each pixel that is the object, 0..1.
        colours: ``(H, W, 3)`` uint8 RGB of the object alone: the photo's where alpha is 1,
            estimated without the background where it is between, the photo's elsewhere.
    """

    alpha: np.ndarray
    colours: np.ndarray


def require_matting() -> None:
    """Find out whether soft edges can be made, before any work is done.

    Raises:
        MissingExtra: pymatting is not installed.
    """
    _BESIDE.submit(_pymatting).result()


def make_matte(image: np.ndarray, trimap: np.ndarray) -> Matte:
    """Estimate alpha and foreground colours in the unknown band of a trimap.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        trimap: ``(H, W)`` uint8: 255 surely the object, 0 surely not, anything else unknown.

    Raises:
        InputError: sizes or types that do not fit.
        MissingExtra: pymatting is not installed.
    """
    if image.shape != (*trimap.shape, 3) or image.dtype != np.uint8 or trimap.dtype != np.uint8:
        raise InputError(
            f"A matte is made of an (H, W, 3) uint8 photo and its (H, W) uint8 trimap; got "
            f"{image.shape} {image.dtype} and {trimap.shape} {trimap.dtype}."
        )
    alpha, colours = (trimap == 255).astype(np.float32), image.copy()
    unknown = (trimap > 0) & (trimap < 255)
    if not unknown.any():
        return Matte(alpha, colours)
    area = around(unknown, _OVERLAP)
    alpha[area] = _BESIDE.submit(_solve, image[area], trimap[area]).result()
    _BESIDE.submit(_estimate_colours, colours[area], alpha[area]).result()
    return Matte(alpha, colours)


def make_trimap(mask: np.ndarray, width: float, unsure: np.ndarray | None = None) -> np.ndarray:
    """Mark what is surely the object, surely not, and the band between.

    The band is never so wide that a part of the object as thin as a leg has nothing sure in it: on
    the inner side it ends at half of the object's own thickness. Parts as thin as hair are all
    unknown, where the object has thicker ones: no pixel of a hair is surely the object.

    Args:
        mask: ``(H, W)`` bool.
        width: of the band on each side of the mask's edge, in pixels.
        unsure: ``(H, W)`` bool, pixels that the model is not sure of; those within three times the
            width of the edge join the band.

    Returns:
        ``(H, W)`` uint8: 255 surely the object, 0 surely not, 128 unknown.

    Example:
        >>> make_trimap(np.array([[0, 0, 0, 1, 1, 1]], dtype=bool), 1.0).tolist()
        [[0, 0, 128, 128, 255, 255]]
    """
    trimap = np.where(mask, np.uint8(255), np.uint8(0))
    if not mask.any() or mask.all():
        return trimap
    area = around(mask, int(np.ceil(3 * width)) + 1)
    small = mask[area]
    inside, outside = _distance(small), _distance(~small)
    distance = np.where(small, inside, outside)
    band = distance <= width
    if unsure is not None:
        band |= unsure[area] & (distance <= 3 * width)
    least = min(_HAIR * width, 0.5 * float(inside.max()))
    sure = (_largest_near(inside, least) > least) & (inside > 0.5 * _thickness(inside, width))
    band &= ~(small & sure)
    trimap[area][band] = 128
    return trimap


def soft_edges(
    image: np.ndarray,
    mask: np.ndarray,
    width: float | None = None,
    unsure: np.ndarray | None = None,
) -> Matte:
    """Give a hard mask the soft edges that the photo shows.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` bool.
        width: how far the mask's edge may be off, in pixels; left out, a forty-eighth of the long
            side, which is two cells of the built-in model's masks.
        unsure: ``(H, W)`` bool, pixels that the model is not sure of.

    Raises:
        InputError: sizes or types that do not fit.
        MissingExtra: pymatting is not installed.
    """
    width = max(2.0, max(mask.shape) / 48) if width is None else width
    return make_matte(image, make_trimap(mask, width, unsure))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel that is set to the nearest that is not; the border is no edge."""
    return np.asarray(ndimage.distance_transform_edt(mask), dtype=np.float32)


def _thickness(inside: np.ndarray, width: float) -> np.ndarray:
    """The largest distance to the edge near each pixel: half of how thick the object is there."""
    # Thicker than twice the band needs no care; the window is as wide as that.
    largest = _largest_near(inside, width)
    return np.where(largest > 2 * width, np.float32(np.inf), largest)


def _largest_near(values: np.ndarray, reach: float) -> np.ndarray:
    return np.asarray(ndimage.maximum_filter(values, 2 * int(np.ceil(reach)) + 1))


def _solve(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 alpha; a wide band is solved at half the size first."""
    known = (trimap == 0) | (trimap == 255)
    start = (trimap / np.float32(255)).astype(np.float32)
    reach = float(np.asarray(ndimage.distance_transform_edt(~known)).max())
    if reach > _WIDEST and min(trimap.shape) >= 32:
        half, start = _solve_half(image, trimap)
        if max(trimap.shape) > _LARGEST:
            return np.where(known, trimap == 255, _finer(image, half, start)).astype(np.float32)
        start = _resized(start, trimap.shape)
        near = (start > _SETTLED) & (start < 1 - _SETTLED)
        near = ndimage.binary_dilation(near, iterations=2) & ~known
        start = np.where(near, start, np.where(known, trimap == 255, start > 0.5))
        known = ~near
    return _solve_tiles(image, start.astype(np.float32), known)


def _solve_half(image: np.ndarray, trimap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The photo at half its size, and its ``(h, w)`` alpha."""
    height, width = trimap.shape
    size = ((width + 1) // 2, (height + 1) // 2)
    half = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    mean = np.asarray(Image.fromarray(trimap).resize(size, Image.Resampling.BOX))
    return half, _solve(half, mean)


def _finer(image: np.ndarray, half: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``(H, W)`` alpha of a photo from that of its half.

    In a small window alpha is linear in colour, which is what closed-form matting goes by as well:
    the line is fitted where the photo is small and read where it is large (a guided filter).
    """
    unsure = np.asarray(ndimage.binary_dilation((alpha > 0) & (alpha < 1), iterations=2), bool)
    colours, slope, offset = half / np.float32(255), np.zeros(half.shape, np.float32), alpha.copy()
    means = _window_mean(np.dstack([colours, alpha]))
    products = [colours[..., [c]] * np.dstack([colours, alpha]) for c in range(3)]
    spread = np.stack([_window_mean(one)[unsure] for one in products], axis=1)  # (n, 3, 4)
    mean = means[unsure]
    spread -= mean[:, :3, None] * mean[:, None]
    spread[..., :3] += _FLAT * np.eye(3, dtype=np.float32)
    slope[unsure] = np.linalg.solve(spread[..., :3], spread[..., 3:])[..., 0]
    offset[unsure] = mean[:, 3] - (slope[unsure] * mean[:, :3]).sum(axis=1)
    found = _resized(offset, image.shape[:2])
    for channel in range(3):
        found += _resized(slope[..., channel], image.shape[:2]) * (image[..., channel] / 255)
    return found.clip(0, 1)


def _window_mean(values: np.ndarray) -> np.ndarray:
    """Each plane's mean round every pixel, of ``(h, w, c)``."""
    return np.asarray(ndimage.uniform_filter(values, _WINDOW, mode="nearest", axes=(0, 1)))


def _resized(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    found = Image.fromarray(plane).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.array(found)


def _solve_tiles(image: np.ndarray, start: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Closed-form matting tile by tile; where tiles overlap, the nearer middle weighs more."""
    total, weight = np.zeros_like(start), np.zeros_like(start)
    for tile in _tiles(~known):
        share = _taper(start[tile].shape)
        total[tile] += share * _solve_tile(image[tile], start[tile], known[tile])
        weight[tile] += share
    solved = total / np.maximum(weight, np.float32(1e-6))
    return np.where(known, start, solved).astype(np.float32)


def _solve_tile(image: np.ndarray, start: np.ndarray, known: np.ndarray) -> np.ndarray:
    inside, outside = known & (start > 0.5), known & (start <= 0.5)
    if not (inside.any() and outside.any()):  # nothing to tell the object's colours by
        return start
    trimap = np.full(start.shape, 0.5)
    trimap[inside], trimap[outside] = 1.0, 0.0
    pymatting = _pymatting()
    found = pymatting.estimate_alpha_cf(
        image / 255.0,
        trimap,
        preconditioner=pymatting.jacobi,
        laplacian_kwargs={"epsilon": _SMOOTH},
        cg_kwargs={"rtol": _TOLERANCE, "x0": start[~known].astype(np.float64)},
    )
    return found.astype(np.float32)


def _estimate_colours(colours: np.ndarray, alpha: np.ndarray) -> None:
    """Replace, in place, what the background has mixed into the colours of the band."""
    mixed = (alpha > 0) & (alpha < 1)
    for tile in _tiles(mixed):
        found = _pymatting().estimate_foreground_ml(colours[tile] / 255.0, alpha[tile])
        pixels = np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)
        colours[tile][mixed[tile]] = pixels[mixed[tile]]


def _tiles(wanted: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Overlapping tiles that together cover all pixels that are wanted."""
    for row in range(0, wanted.shape[0], _TILE):
        for column in range(0, wanted.shape[1], _TILE):
            core = (slice(row, row + _TILE), slice(column, column + _TILE))
            if wanted[core].any():
                yield (
                    slice(max(0, row - _OVERLAP), row + _TILE + _OVERLAP),
                    slice(max(0, column - _OVERLAP), column + _TILE + _OVERLAP),
                )


def _taper(shape: tuple[int, ...]) -> np.ndarray:
    """``(h, w)`` float32 weights that fall towards the edges of a tile, above 0."""
    ramps = (np.minimum(np.arange(n) + 1, n - np.arange(n)) / (2 * _OVERLAP) for n in shape)
    down, right = (np.minimum(ramp, 1.0).astype(np.float32) for ramp in ramps)
    return down[:, None] * right[None]


def _pymatting() -> ModuleType | Any:
    try:
        import pymatting
    except ImportError as error:
        raise MissingExtra(
            "Soft edges need an extra: pip install 'persam[matting]'; or ask for hard ones "
            "(--edges hard)."
        ) from error
    return pymatting
