"""Image/mask pairs -> squares, for the training of the built-in model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from persam.io.pairs import Pair


def decode(pair: Pair, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stretch a pair over a square.

    Returns:
        ``(3, side, side)`` in 0..1 and ``(1, side, side)`` soft mask in 0..1, both float32.
    """
    size = (side, side)
    image, grey = pair.images()
    picture = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    mask = grey.convert("L").resize(size, Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return pixels, torch.from_numpy(np.array(mask))[None].float() / 255
