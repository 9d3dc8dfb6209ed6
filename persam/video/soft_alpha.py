"""Soft edges of an object through a clip, without flicker where the picture stands still."""

from __future__ import annotations

import numpy as np

from persam.io.matting import Matte, soft_edges

STILL = 6  # grey values of 0..255 by which a pixel may change from frame to frame and stand still
_KEPT = 0.7  # share of the last frame's alpha where the picture stands still
_FAR = 0.5  # change of alpha that is an object come or gone, and no flicker


class SoftAlpha:
    """Gives one object's frames their soft edges, in clip order; remembers the last frame."""

    def __init__(self) -> None:
        self._image: np.ndarray | None = None
        self._alpha: np.ndarray | None = None

    def matte(self, image: np.ndarray, mask: np.ndarray) -> Matte:
        """The object in the next frame.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            mask: ``(H, W)`` bool.

        Raises:
            MissingExtra: pymatting is not installed.
        """
        made = soft_edges(image, mask)
        alpha = made.alpha
        if self._image is not None and self._alpha is not None:
            alpha = steadied(alpha, self._alpha, still(image, self._image))
        self._image, self._alpha = image, alpha
        return Matte(alpha, made.colours)


def still(image: np.ndarray, before: np.ndarray) -> np.ndarray:
    """``(H, W)`` bool: pixels of which no channel changes by more than :data:`STILL`."""
    change = np.abs(image.astype(np.int16) - before)
    return np.asarray(change.max(axis=2) <= STILL)


def steadied(alpha: np.ndarray, before: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Alpha that keeps most of the last frame's value where the picture stands still.

    Args:
        alpha: ``(H, W)`` float32, 0..1.
        before: of the last frame.
        standing: ``(H, W)`` bool, see :func:`still`.
    """
    near = standing & (np.abs(alpha - before) < _FAR)
    return np.where(near, _KEPT * before + (1 - _KEPT) * alpha, alpha).astype(np.float32)


def flicker(alphas: list[np.ndarray], images: list[np.ndarray]) -> float:
    """Mean change of alpha from frame to frame, 0..1, where the picture stands still.

    Only pixels count that are neither 0 nor 1 in one of the two frames: the others cannot flicker.

    Args:
        alphas: ``(H, W)`` float32 of frames in a row.
        images: ``(H, W, 3)`` uint8 of the same.
    """
    changes = []
    for at in range(1, len(alphas)):
        one, other = alphas[at - 1], alphas[at]
        soft = ((one > 0) & (one < 1)) | ((other > 0) & (other < 1))
        counted = soft & still(images[at], images[at - 1])
        changes.append(np.abs(one - other)[counted])
    joined = np.concatenate(changes) if changes else np.zeros(0)
    return float(joined.mean()) if joined.size else 0.0
