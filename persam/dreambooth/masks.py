"""A subject's mask in pixels -> loss weights in pixels -> loss weights of latent cells.

One latent cell is ``CELL`` pixels of the picture at the size that it is trained at; by how much a
mask is grown is stated in cells, since finer things than a cell are lost anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt

from persam.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Crop:
    """The square of a picture that is trained on, in pixels."""

    top: int
    left: int
    side: int


CELL = 8  # pixels, of Stable Diffusion's, SDXL's and Flux's autoencoders


def cell_pixels(size: tuple[int, int], resolution: int) -> float:
    """Side of a latent cell in pixels of a picture that is trained at a resolution.

    Args:
        size: ``(height, width)`` of the picture.
        resolution: what its short side is scaled to for training, in pixels.

    Example:
        >>> cell_pixels((1024, 1536), resolution=512)
        16.0
    """
    return CELL * min(size) / resolution


def loss_weights(
    mask: np.ndarray, cell: float = CELL, *, dilate: float = 0.0, feather: float = 0.0
) -> np.ndarray:
    """Grow a mask, and let it fade out.

    The weight is 255 on the object and within ``dilate`` cells of it, and falls in a straight line
    to 0 over the next ``feather`` cells.

    Args:
        mask: ``(H, W)`` bool.
        cell: side of a latent cell, in pixels of the mask.
        dilate: width in cells, at least 0; fractions count.
        feather: likewise.

    Returns:
        ``(H, W)`` uint8; all 0 where the mask is empty.

    Raises:
        InputError: a negative width.

    Example:
        >>> dot = np.array([[True, False, False, False, False]])
        >>> loss_weights(dot, cell=2, dilate=0.5, feather=1.0)
        array([[255, 255, 128,   0,   0]], dtype=uint8)
    """
    if min(dilate, feather) < 0 or not np.isfinite([dilate, feather]).all():
        raise InputError(
            f"A mask is dilated and feathered by 0 or more latent cells; got {dilate:g} and "
            f"{feather:g}."
        )
    if not mask.any() or dilate == feather == 0:
        return mask.astype(np.uint8) * 255
    beyond = np.asarray(distance_transform_edt(~mask)) - dilate * cell
    if feather * cell < 0.01:  # of a pixel
        return (beyond <= 0).astype(np.uint8) * 255
    share = np.clip(1 - beyond / (feather * cell), 0, 1)
    return np.round(share * 255).astype(np.uint8)


def latent_mask(weights: np.ndarray, size: tuple[int, int], *, hard: bool = True) -> torch.Tensor:
    """Bring a mask to the grid of the latents.

    A cell's value is the mean over its area. A hard mask then keeps the cells that are at least
    half object; where an object is too small for that, the fullest cells, so that a mask that
    shows something never becomes one that shows nothing.

    Args:
        weights: ``(H, W)`` bool or uint8, covering the same view as the latents.
        size: ``(h, w)`` of the latents.
        hard: 0 and 1 alone; otherwise the means, as for feathered masks.

    Returns:
        ``(1, h, w)`` float32, 0..1; of a batch the stack of them is the mask of
        :func:`persam.dreambooth.masked_loss`.

    Raises:
        InputError: weights of another shape or type.

    Example:
        >>> latent_mask(np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool), (1, 2))
        tensor([[[1., 0.]]])
    """
    import torch

    if weights.ndim != 2 or weights.dtype not in (np.bool_, np.uint8):
        raise InputError(
            f"A mask is (H, W) bool or uint8; got {weights.shape} {weights.dtype}. Read files "
            f"with persam.io.images.read_mask."
        )
    return torch.from_numpy(_cells(weights, size, hard=hard))[None]


def _cells(weights: np.ndarray, size: tuple[int, int], *, hard: bool) -> np.ndarray:
    """The values of :func:`latent_mask`, ``(h, w)`` float32."""
    top = 1 if weights.dtype == np.bool_ else 255
    rows, columns = (_overlaps(*pair) for pair in zip(weights.shape, size, strict=True))
    means = rows @ (weights.astype(np.float64) / top) @ columns.T
    cells = means.round(6).astype(np.float32)
    if not hard or cells.max() == 0:
        return cells
    return (cells >= min(0.5, float(cells.max()))).astype(np.float32)


def square_round(weights: np.ndarray) -> Crop:
    """The largest square of a picture that has the subject as near its middle as it can.

    Args:
        weights: ``(H, W)``; what is above 0 is the subject.

    Example:
        >>> square_round(np.array([[0, 0, 0, 0, 1, 0]]))
        Crop(top=0, left=4, side=1)
    """
    side = min(weights.shape)
    corner = []
    for axis in (0, 1):
        taken = np.flatnonzero(weights.any(axis=1 - axis))
        length = weights.shape[axis]
        middle = (taken[0] + taken[-1] + 1) / 2 if len(taken) else length / 2
        corner.append(int(np.clip(round(middle - side / 2), 0, length - side)))
    return Crop(corner[0], corner[1], side)


def trained_share(weights: np.ndarray, resolution: int, *, hard: bool) -> float:
    """Part of a photo's latent cells that the loss is taken on, 0..1.

    What counts is the square round the subject, which is what is trained on.

    Args:
        weights: ``(H, W)`` uint8.
        resolution: side of the square when it is trained on, in pixels.
        hard: see :func:`latent_mask`.

    Example:
        >>> trained_share(np.eye(2, 4, dtype=np.uint8) * 255, 16, hard=True)
        0.5
    """
    view = square_round(weights)
    inside = weights[view.top : view.top + view.side, view.left : view.left + view.side]
    side = max(1, resolution // CELL)
    return float((_cells(inside, (side, side), hard=hard) > 0).mean())


def _overlaps(pixels: int, cells: int) -> np.ndarray:
    """Which part of each cell each pixel makes up, exact where a cell is no whole number of pixels.

    Example:
        >>> _overlaps(3, 2).round(3)
        array([[0.667, 0.333, 0.   ],
               [0.   , 0.333, 0.667]])
    """
    edges = np.linspace(0, pixels, cells + 1)[:, None]
    start = np.arange(pixels)
    shared = np.minimum(start + 1, edges[1:]) - np.maximum(start, edges[:-1])
    return np.clip(shared, 0, None) * cells / pixels
