"""Prompts drawn as a mask: what a decoder that was trained so is given where there is none.

A map tells every cell what tokens tell it through attention alone. Training draws the same in torch
(:func:`persam.models.pocket.network.draw_prompts`).
"""

from __future__ import annotations

import numpy as np

# A drawn box is -4 outside and 2 inside, a drawn point 6 or -6 with a spread of 1/32 of the square
BOX_OUTSIDE, BOX_INSIDE = -4.0, 6.0
POINT_LOGIT, POINT_SHARE = 6.0, 32


def draw_prompts(
    points: np.ndarray, labels: np.ndarray, box: np.ndarray, square: int, side: int
) -> np.ndarray:
    """Draw points and box as the mask prompt of one who knows no more than they say.

    Args:
        points: ``(k, 2)`` in pixels of the square; k may be 0.
        labels: ``(k,)``, 1 on the object, 0 off it.
        box: ``(4,)`` corner pixels, or ``(0,)``.
        square: side of the model's input.
        side: of the mask prompt.

    Returns:
        ``(1, 1, side, side)`` float32 logits.
    """
    cell = square / side
    axis = (np.arange(side, dtype=np.float32) + 0.5) * cell - 0.5
    drawn = np.zeros((side, side), dtype=np.float32)
    if len(box):
        half = (cell + 1) / 2  # a box's corner pixels belong to it
        x0, y0, x1, y1 = box
        across = ((np.minimum(axis - x0, x1 - axis) + half) / cell).clip(0, 1)
        down = ((np.minimum(axis - y0, y1 - axis) + half) / cell).clip(0, 1)
        drawn = BOX_INSIDE * np.outer(down, across) + BOX_OUTSIDE
    if len(points):
        spread = 2 * (square / POINT_SHARE) ** 2
        across, down = (np.exp(-((points[:, i, None] - axis) ** 2) / spread) for i in (0, 1))
        sign = np.where(labels == 1, 1.0, -1.0)
        bumps = np.einsum("k,ky,kx->yx", sign, down, across)
        drawn = drawn + POINT_LOGIT * bumps.clip(-1, 1)
    return drawn.astype(np.float32)[None, None]
