"""Embeddings -> target feature -> location prior: where the object seems to be.

Pure functions on single pictures. Feature maps are ``(d, h, w)``, similarity maps ``(h, w)`` on the
matching grid, and the location prior is ``(height, width)`` in original pixels. The steps and
their order are those of PerSAM's section 3.1 and of the official ``persam.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from persam import geometry
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.structures import Frame
    from persam.variants import GuideFrame, Pooling

# float32 sums of exactly half a cell may fall short of 0.5 by a few units in the last place.
_HALF = 0.5 - 1e-4
# Standard deviations above its mean at which a location prior, cut, is itself a fair mask.
PRIOR_CUT = 1.0


def covered_cells(mask: np.ndarray, frame: Frame, grid: Sequence[int]) -> np.ndarray:
    """Grid cells of which an object covers at least half.

    An object so small that it covers half of no cell takes the cell, or cells, that it covers
    most of.

    Args:
        mask: ``(height, width)`` bool, with at least one pixel set.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` cells over the square.

    Returns:
        ``(h, w)`` bool, with at least one cell set.
    """
    share = geometry.coverage(mask, frame, grid)
    cells = share >= _HALF
    return cells if cells.any() else share >= share.max()


def official_cells(
    grey: np.ndarray, frame: Frame, grid: Sequence[int], mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Grid cells of the object as the official scripts find them.

    The mask goes through the picture's own resizing and normalisation, so that its grey value
    decides how much of a cell must be covered, and is sampled at the grid (``persam.py``).

    Args:
        grey: ``(height, width)`` uint8 grey values of the mask.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` cells over the square.
        mean: ``(3,)`` the backbone's, in 0..255; channel 0 decides.
        std: the same.

    Returns:
        ``(h, w)`` bool.

    Raises:
        InputError: no cell is left; the official scripts go on with NaN here.
    """
    picture = np.repeat(grey[..., None], 3, axis=2)
    normalised = geometry.prepare(picture, frame, mean, std)[0, :1]
    cells = geometry.bilinear(normalised, (grid[0], grid[1]))[0] > 0
    if not bool(cells.any()):
        raise InputError(
            f"No grid cell of the reference is left as object: the official variant normalises "
            f"the mask like a picture, which drops grey values below {float(mean[0]):.0f} "
            f"(this mask's largest is {int(grey.max())}) and objects smaller than a cell. "
            f'Give a mask of grey value 255, or use variant="default".'
        )
    return cells.numpy()


def pool(features: torch.Tensor, cells: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Sum up an object's cells in one vector, not normalised.

    Args:
        features: ``(d, h, w)``.
        cells: ``(h, w)`` bool, at least one set.
        pooling: ``"mean"`` (``persam.py``) or ``"mean+max"``, half of each (``persam_f.py``).

    Returns:
        ``(d,)``.
    """
    vectors = features[:, cells]
    mean = vectors.mean(dim=1)
    return mean if pooling == "mean" else vectors.amax(dim=1) / 2 + mean / 2


def unit_vectors(features: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """``(n, d)`` features of the chosen cells of a ``(d, h, w)`` map, each of length 1."""
    return F.normalize(features[:, cells].T, dim=1)


def background_cells(foreground: torch.Tensor, frame: Frame) -> torch.Tensor:
    """``(h, w)`` bool: the picture's cells that are not the object's; padding is neither."""
    rows, columns = geometry.picture_cells(frame, foreground.shape)
    background = torch.zeros_like(foreground)
    background[:rows, :columns] = ~foreground[:rows, :columns]
    return background


def cosine(features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cosine of every cell to the target: ``(d, h, w)`` and unit ``(d,)`` to ``(h, w)``, -1..1."""
    return torch.einsum("d,dhw->hw", target, F.normalize(features, dim=0))


def contrast(
    features: torch.Tensor, foreground: torch.Tensor, background: torch.Tensor
) -> torch.Tensor:
    """How much nearer each cell is to the object's nearest cell than to the background's.

    Args:
        features: ``(d, h, w)`` of the picture that is searched.
        foreground: ``(n, d)`` unit vectors of the object's cells in the reference.
        background: ``(k, d)`` of the other cells. Where there are none (the object fills every
            cell) there is nothing to tell apart and the map is 0.

    Returns:
        ``(h, w)``, -2..2.
    """
    if len(foreground) == 0 or len(background) == 0:
        return torch.zeros_like(features[0])
    cells = F.normalize(features, dim=0)[None].contiguous(memory_format=torch.channels_last)
    return _nearest(cells, foreground) - _nearest(cells, background)


def _nearest(cells: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """``(h, w)`` cosines of the cells of ``(1, d, h, w)`` to the nearest of ``(n, d)`` vectors."""
    # As kernels of a cell: torch's convolution is twice as quick as its product on some CPUs.
    return F.conv2d(cells, vectors[:, :, None, None])[0].amax(dim=0)


def smooth(similarity: torch.Tensor, share: float) -> torch.Tensor:
    """Mix a similarity map with its 3 x 3 mean, so that one stray cell does not win.

    Args:
        similarity: ``(h, w)``.
        share: of the mean, 0..1.
    """
    mean = F.avg_pool2d(similarity[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    return similarity.lerp(mean, share)


def location_prior(similarity: torch.Tensor, frame: Frame) -> torch.Tensor:
    """Bring a similarity map to the original picture.

    Bilinear by four, then SAM's post-processing of masks (``persam.py``, section 3.1).

    Args:
        similarity: ``(h, w)`` over the model's square.
        frame: where the picture lies in that square.

    Returns:
        ``(height, width)``.
    """
    height, width = similarity.shape
    finer = geometry.bilinear(similarity[None], (4 * height, 4 * width))
    return geometry.to_original(finer, frame)[0]


def attention_guide(
    prior: torch.Tensor, frame: Frame, grid: Sequence[int], how: GuideFrame
) -> torch.Tensor:
    """Location prior -> what is added to the token-to-image attention, 0..1 (section 3.2).

    Args:
        prior: ``(height, width)`` in original pixels.
        frame: where the picture lies in the model's square.
        grid: ``(h, w)`` of the decoder's image features.
        how: ``"official"`` stretches the map over the whole grid, which displaces it where the
            picture is padded; ``"padded"`` lays it where the picture lies and fills the rest with
            its minimum.

    Returns:
        ``(1, 1, 1, h * w)``.
    """
    standard = standardise(prior)[None]
    if how == "official":
        laid = geometry.bilinear(standard, (grid[0], grid[1]))
    else:
        rows, columns = geometry.picture_cells(frame, grid)
        small = geometry.bilinear(standard, (rows, columns))
        padding = (0, grid[1] - columns, 0, grid[0] - rows)
        laid = F.pad(small, padding, value=float(small.min()))
    return laid.sigmoid().reshape(1, 1, 1, -1)


def prior_mask(similarity: torch.Tensor, frame: Frame, side: int, factor: float) -> torch.Tensor:
    """Location prior -> logits for the decoder's mask input.

    Standardised over the picture's cells, 0 where it is PRIOR_CUT deviations above its mean;
    padding takes the picture's minimum.

    Args:
        similarity: ``(h, w)`` over the model's square.
        frame: where the picture lies in that square.
        side: side of the decoder's mask input.
        factor: what a standard deviation is worth in logits.

    Returns:
        ``(1, side, side)``.
    """
    rows, columns = geometry.picture_cells(frame, similarity.shape)
    picture = similarity[:rows, :columns]
    standard = standardise(picture)
    padding = (0, similarity.shape[1] - columns, 0, similarity.shape[0] - rows)
    laid = F.pad(standard, padding, value=float(standard.min()))
    return (geometry.bilinear(laid[None], (side, side)) - PRIOR_CUT) * factor


def likely(similarity: torch.Tensor, frame: Frame) -> torch.Tensor:
    """``(h, w)`` bool: cells of the picture that are PRIOR_CUT deviations above its mean."""
    rows, columns = geometry.picture_cells(frame, similarity.shape)
    cells = torch.zeros_like(similarity, dtype=torch.bool)
    cells[:rows, :columns] = standardise(similarity[:rows, :columns]) > PRIOR_CUT
    return cells


def standardise(values: torch.Tensor) -> torch.Tensor:
    """Mean 0, unbiased standard deviation 1; a constant map (one pixel, say) becomes 0."""
    spread = values.std() if values.numel() > 1 else values.new_zeros(())
    if float(spread) == 0.0:
        return torch.zeros_like(values)
    return (values - values.mean()) / spread
