"""Work beside the caller: threads that keep the order, and a bounded number of results."""

from __future__ import annotations

import math
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from persam.errors import InputError
from persam.models.runtime.numpy_threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

# Calls that a probe looks at: the first ones find a model that still sets itself up.
_PROBED = range(6, 18)


@dataclass(eq=False)
class _ThreadCall(Generic[T, R]):
    """A call that a thread has been given, or that nobody has begun."""

    function: Callable[[T], R]
    item: T
    answer: Future[R]

    def begin(self) -> bool:
        """Make it here, if no thread has begun it; says whether that was so."""
        if not self.answer.cancel():
            return False
        self.answer = Future()
        try:
            self.answer.set_result(self.function(self.item))
        except Exception as error:  # raised where its result would be
            self.answer.set_exception(error)
        return True


def _first(begun: deque[_ThreadCall[T, R]]) -> R:
    """Take the first result; until it is there, the caller makes what calls no thread has begun."""
    while not begun[0].answer.done() and any(call.begin() for call in begun):
        pass
    return begun.popleft().answer.result()


class Threads:
    """Threads for what lets go of the interpreter: decoding, resizing, compressing, files.

    With ``jobs`` left out a short probe chooses: the first calls are made by the caller itself,
    when their turn comes, and there are then as many threads as it takes to do such calls in the
    time that the caller needs for the rest. Where there are few calls, that is all. A caller that
    would have to wait for a result makes calls itself.

    On leaving the ``with`` block, what has begun is finished and what has not is dropped. Within
    it, numpy's matrix products keep to :data:`one_thread`.

    Attributes:
        jobs: how many threads there are; 0 where the caller does everything itself.
    """

    def __init__(self, jobs: int | None = None, *, most: int | None = None) -> None:
        """Have threads.

        Args:
            jobs: how many; None for a probe.
            most: that a probe may choose; None for one a core.

        Raises:
            InputError: fewer than none.
        """
        if jobs is not None and jobs < 0:
            raise InputError(f"There are 0 threads or more beside the model; got {jobs}.")
        self.jobs = 0
        self._pool: ThreadPoolExecutor | None = None
        self._probing, self._found = jobs is None, False
        self._most = most or os.cpu_count() or 1
        self._calls, self._busy, self._began = 0, 0.0, perf_counter()
        self._start(jobs or 0)

    def __enter__(self) -> Self:
        one_thread.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        one_thread.__exit__()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def undecided(self) -> bool:
        """Whether their number is still to be found out."""
        return self._probing

    @property
    def found(self) -> int | None:
        """Their number, once a probe has chosen it."""
        return self.jobs if self._found else None

    def settle(self, jobs: int) -> None:
        """Take what a probe has found before, at most one a core."""
        self._probing = False
        self._start(min(jobs, self._most))

    def prefetch(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        most: Callable[[], int],
        *,
        worth: Callable[[T], bool] = lambda _: True,
    ) -> Iterator[R]:
        """Yield ``function(item)`` of every item in their order, begun before they are asked for.

        Args:
            function: called in a thread; what it raises is raised where its result would be.
            items: taken in the caller's own thread.
            most: how many results may be in the making or waiting; asked again for every item.
            worth: whether an item's call is worth a thread; others the caller makes at once.
        """
        return self._in_order(function, items, worth, lambda begun: len(begun) >= most())

    def write_behind(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        most: Callable[[], int],
        *,
        worth: Callable[[T], bool] = lambda _: True,
    ) -> Iterator[R]:
        """As :meth:`prefetch`, for items that cost more than their results: none waits once done.

        Args:
            function: as for :meth:`prefetch`.
            items: as for :meth:`prefetch`; the next is taken while earlier results are being made.
            most: as for :meth:`prefetch`.
            worth: as for :meth:`prefetch`.
        """
        return self._in_order(
            function,
            items,
            worth,
            lambda begun: begun[0].answer.done() or len(begun) >= most(),
        )

    def _in_order(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        worth: Callable[[T], bool],
        is_due: Callable[[deque[_ThreadCall[T, R]]], bool],
    ) -> Iterator[R]:
        begun: deque[_ThreadCall[T, R]] = deque()
        for item in items:
            if self._pool is None:
                yield self._call(function, item) if worth(item) else function(item)
                continue
            if worth(item):
                begun.append(_ThreadCall(function, item, self._pool.submit(function, item)))
            else:
                begun.append(_ThreadCall(function, item, Future()))
                begun[-1].begin()
            while begun and is_due(begun):
                yield _first(begun)
        while begun:
            yield _first(begun)

    def _start(self, jobs: int) -> None:
        self.jobs = jobs
        if jobs > 0:
            self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="persam")

    def _call(self, function: Callable[[T], R], item: T) -> R:
        began = perf_counter()
        if self._probing and self._calls == _PROBED.start:
            self._busy, self._began = 0.0, began
        if self._probing and self._calls == _PROBED.stop:
            self._probing, self._found = False, True
            self._start(enough(self._busy, began - self._began, self._most))
        result = function(item)
        self._calls, self._busy = self._calls + 1, self._busy + perf_counter() - began
        return result


def ahead(
    function: Callable[[T], R], items: Iterable[T], threads: int = 1, most: int = 1
) -> Generator[R]:
    """Yield ``function(item)`` of every item in their order, while the next are in the making.

    Args:
        function: called in threads; what it raises is raised where its result would be.
        items: taken in the caller's own thread.
        threads: how many there are.
        most: how many results may be in the making or waiting beside the one that is given.

    Example:
        >>> list(ahead(str, [1, 2, 3]))
        ['1', '2', '3']
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="persam-ahead") as pool:
        begun: deque[Future[R]] = deque()
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > most:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def enough(beside: float, elapsed: float, most: int) -> int:
    """How many threads do a work beside another in no more time than the other needs.

    Args:
        beside: seconds of the work that threads are to do.
        elapsed: seconds of both, one after the other.
        most: threads there may be, at least 1.

    Example:
        >>> enough(1.0, 11.0, 8), enough(5.0, 7.0, 8), enough(5.0, 5.0, 8)
        (1, 3, 8)
    """
    other = elapsed - beside
    return most if other <= 0 else min(most, max(1, math.ceil(beside / other)))
