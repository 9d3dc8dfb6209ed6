"""Networks asked by all cores at once, or in several threads, each call by its share of them.

A small network does not fill many cores: two calls side by side, on a core each, are done sooner
than two on both cores, one after the other. Who waits for one answer wants the latter, who has many
photos the former (OpenVINO's streams).
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING

from persam.models.runtime.cpu import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from persam.models.runtime.choice import Runner

# What stands between two calls holds Python's lock, so that more streams would wait for each other.
_MOST = 4

_READYING = Lock()  # one network at a time is made ready beside those that work
_within: ContextVar[bool] = ContextVar("_within", default=False)


def stream_count() -> int:
    """How many calls are made side by side where there are many; 1 on a single core."""
    return min(_MOST, thread_count())


@contextmanager
def one_stream() -> Iterator[None]:
    """Within this block the thread's calls take one stream's share of the cores."""
    token = _within.set(True)
    try:
        yield
    finally:
        _within.reset(token)


def in_stream() -> bool:
    """Whether this thread's calls take one stream's share of the cores."""
    return _within.get() and stream_count() > 1


class StreamedRunner:
    """Asks a network by all cores, or within :func:`one_stream` by its share of them.

    The network is made ready for streams by the first call that wants one.
    """

    def __init__(self, make: Callable[[int], Runner]) -> None:
        """Have a network ready for calls one after the other.

        Args:
            make: a runner for so many calls side by side.
        """
        self._make = make
        self._alone = make(1)
        self._beside: Runner | None = None

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Ask once; see :data:`persam.models.runtime.choice.Runner`."""
        return (self._in_streams() if in_stream() else self._alone)(inputs)

    def _in_streams(self) -> Runner:
        if self._beside is None:
            with _READYING:
                if self._beside is None:
                    self._beside = self._make(stream_count())
        return self._beside
