"""How many pictures at once an encoder takes best, found out while it works."""

from __future__ import annotations

import math
from itertools import chain

from persam.errors import InputError

SIZES = (1, 2, 4, 8, 16)
_TIMES = 2  # the quicker of which counts
_NEARLY = 1.03  # a smaller batch that is nearly as quick takes less memory
_WORSE = 1.1  # larger batches than one that is so much slower are not tried


class BatchSize:
    """The size of the next batch.

    With a size left out, the first pictures are encoded in batches of growing size, each size
    twice; from then on in those that were quickest. They are the album's own pictures, so that
    finding out costs next to nothing.
    """

    def __init__(self, size: int | None = None) -> None:
        """Take one size, or find out.

        Raises:
            InputError: a size below 1.
        """
        if size is not None and size < 1:
            raise InputError(f"A batch has at least 1 photo; got {size}.")
        # The very first picture finds a model that still sets itself up.
        trials = chain((1,), *((one,) * _TIMES for one in SIZES))
        self._trials = list(trials) if size is None else []
        self._seconds: dict[int, float] = {}
        self._chosen = size or 1
        self._warm = size is not None

    @property
    def now(self) -> int:
        """How many pictures to encode next."""
        return self._trials[0] if self._trials else self._chosen

    @property
    def undecided(self) -> bool:
        """Whether it is still to be found out, and nothing has been tried yet."""
        return not self._warm

    @property
    def found(self) -> int | None:
        """What is quickest, once that was found out here."""
        return self._chosen if self._seconds and not self._trials else None

    def settle(self, size: int) -> None:
        """Take what was found out before."""
        self._trials, self._chosen, self._warm = [], size, True

    def took(self, pictures: int, seconds: float) -> None:
        """Say how long a batch took.

        Args:
            pictures: in the batch; sizes other than the one asked for teach nothing.
            seconds: of the encoder; infinite where it could not.
        """
        if not self._trials or pictures != self.now:
            return
        size = self._trials.pop(0)
        if not self._warm:
            self._warm = True
            return
        each = seconds / size
        self._seconds[size] = min(each, self._seconds.get(size, math.inf))
        best = min(self._seconds.values())
        if size not in self._trials and self._seconds[size] > _WORSE * best:
            self._trials.clear()
        if not self._trials:
            self._chosen = min(s for s, took in self._seconds.items() if took <= _NEARLY * best)
