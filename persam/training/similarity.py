"""The similarity of :mod:`persam.pipeline.similarity` in torch, for pictures on a GPU.

Feature maps are ``(d, h, w)``, similarity maps ``(h, w)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from persam.variants import Pooling


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


def standardise(values: torch.Tensor) -> torch.Tensor:
    """Mean 0, unbiased standard deviation 1; a constant map (one pixel, say) becomes 0."""
    spread = values.std() if values.numel() > 1 else values.new_zeros(())
    if float(spread) == 0.0:
        return torch.zeros_like(values)
    return (values - values.mean()) / spread
