"""Which pictures are laid together: strangers, and mates of one class as look-alikes.

A mate serves twice. Beside its like in one scene it is a distractor that only its own reference
tells apart; as another scene's reference it gives a location prior as far from the truth as that
of two real photos.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.io.pairs import Pair

MATES_SHARE = 0.5  # of a batch, where the data knows classes


class Deck:
    """All pairs of the data, dealt in batches.

    Attributes:
        pairs: as they were read.
        classes: ``(len(pairs),)`` a number for every class; a pair without one is a class alone.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        numbers: dict[str, int] = {}
        names = [pair.kind or pair.stem for pair in pairs]
        self.classes = torch.tensor([numbers.setdefault(name, len(numbers)) for name in names])
        self._members: dict[int, list[int]] = defaultdict(list)
        for index, number in enumerate(self.classes.tolist()):
            self._members[number].append(index)

    def deal(self, count: int, shards: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Draw one step's pictures.

        Args:
            count: of pictures in all, a multiple of ``shards``.
            shards: groups that are composed apart.
            generator: the only source of chance.

        Returns:
            For every shard ``(count / shards,)`` indices of pairs; mates follow each other.
        """
        order = torch.randperm(len(self.pairs), generator=generator).tolist()
        return [self._shard(order, count // shards, generator) for _ in range(shards)]

    def _shard(self, order: list[int], count: int, generator: torch.Generator) -> torch.Tensor:
        """Take from the end of ``order``, in place; a mate may be dealt again later."""
        drawn: list[int] = []
        mates = 0
        while len(drawn) < count:
            leader = order.pop()
            if leader in drawn:
                continue
            drawn.append(leader)
            others = [i for i in self._members[int(self.classes[leader])] if i not in drawn]
            if others and mates < int(count * MATES_SHARE) and len(drawn) < count:
                drawn.append(others[int(torch.randint(len(others), (), generator=generator))])
                mates += 1
        return torch.tensor(drawn)
