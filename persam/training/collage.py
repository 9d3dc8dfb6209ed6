"""Two pictures side by side as one: which object is meant, only the prompt can tell.

Pictures of one salient object each teach a decoder that the salient object is the answer, whatever
was asked. A share of collages among them keeps the prompt in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.io.pairs import Pair


@dataclass(frozen=True)
class Collage:
    """A pair, and another one beside it that is not meant.

    Attributes:
        meant, other: the pairs.
        below: one above the other, not side by side.
        second: the one that is meant comes second.
    """

    meant: Pair
    other: Pair
    below: bool
    second: bool

    @property
    def stem(self) -> str:
        """Of both."""
        return f"{self.meant.stem} beside {self.other.stem}"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The joint picture ``(H, W, 3)`` uint8 and the meant object ``(H, W)`` bool.

        Raises:
            InputError: one of the files cannot be read.
        """
        picture, mask = self.meant.read()
        height, width = mask.shape
        beside = Image.fromarray(self.other.read()[0]).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        pictures = [picture, np.asarray(beside)]
        masks = [mask, np.zeros_like(mask)]
        axis = 0 if self.below else 1
        order = slice(None, None, -1 if self.second else 1)
        return np.concatenate(pictures[order], axis), np.concatenate(masks[order], axis)


def with_collages(pairs: Sequence[Pair], share: float, seed: int = 0) -> list[Pair | Collage]:
    """The pairs, a share of them with another one beside it; the same ones every time.

    Args:
        pairs: at least two.
        share: 0..1.
        seed: of the choice.
    """
    chance = np.random.default_rng(seed)
    found: list[Pair | Collage] = []
    for place, pair in enumerate(pairs):
        drawn, below, second = chance.random(3)
        step = int(chance.integers(1, max(2, len(pairs))))
        other = pairs[(place + step) % len(pairs)]
        found.append(Collage(pair, other, below < 0.5, second < 0.5) if drawn < share else pair)
    return found
