"""What a model is, told by its numbers: names of files say nothing of what is in them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from persam.models.runtime import conversion_cache

if TYPE_CHECKING:
    from torch import nn


def identity(words: object, network: nn.Module, side: int) -> str:
    """Name an encoder by its weights and all else that decides its answers.

    Args:
        words: what is not in the network itself: how pictures are laid, engine, precision.
        network: weights, sizes and configuration count.
        side: of its input in pixels.

    Returns:
        64 hexadecimal digits.
    """
    mixed = f"{words} {conversion_cache.key(network, side, ())}"
    return hashlib.sha256(mixed.encode()).hexdigest()
