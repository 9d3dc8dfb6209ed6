"""One decoder call for the photos, and objects, of several threads.

A photo's way asks the decoder step by step, each step by the answer to the one before. Where a
network costs little more for many than for one, as on a GPU, several photos go their ways in a
thread each; a thread that asks waits, and once all that still go on are waiting, the decoder is
asked for all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from persam.models.prompting import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.models.base import Backbone
    from persam.structures import Embedding, Guidance, MaskLogits, Prompts

T = TypeVar("T")
R = TypeVar("R")

_MOST = 32  # calls at once: each brings its picture's maps


class _Call(NamedTuple):
    """What a thread waits for."""

    backbone: Backbone
    embedding: Embedding
    prompts: Prompts
    guidance: Guidance | None
    multimask: bool
    answer: Future[MaskLogits]

    @property
    def kind(self) -> tuple[object, ...]:
        return id(self.backbone), self.multimask, kind_of(self.prompts, self.guidance)


class _Batch:
    """Calls of several threads, asked once all are waiting that have not left."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._threads = 0
        self._waiting: list[_Call] = []

    def ask(self, call: _Call) -> MaskLogits:
        self._change(call)
        return call.answer.result()

    def join(self, threads: int) -> None:
        """Wait for so many more; of less than none, they have left."""
        self._change(None, threads)

    def run(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Do a work with every item in a thread of its own, all of which have joined."""

        def one(item: T) -> R:
            token = _batch.set(self)
            try:
                return work(item)
            finally:
                _batch.reset(token)
                self.join(-1)

        with ThreadPoolExecutor(max(1, len(items)), thread_name_prefix="persam-decoder") as threads:
            return list(threads.map(one, items))

    def _change(self, call: _Call | None, threads: int = 0) -> None:
        ready: list[_Call] = []
        with self._lock:
            self._threads += threads
            if call is not None:
                self._waiting.append(call)
            if len(self._waiting) >= self._threads:
                ready, self._waiting = self._waiting, []
        kinds: defaultdict[tuple[object, ...], list[_Call]] = defaultdict(list)
        for one in ready:
            kinds[one.kind].append(one)
        for calls in kinds.values():
            for start in range(0, len(calls), _MOST):
                _answer(calls[start : start + _MOST])


_batch: ContextVar[_Batch | None] = ContextVar("_batch", default=None)


def ask_decoder(
    backbone: Backbone,
    embedding: Embedding,
    prompts: Prompts,
    *,
    guidance: Guidance | None = None,
    multimask: bool = True,
) -> MaskLogits:
    """Ask as :meth:`persam.models.base.Backbone.decode`, together with other photos if there are.

    Within :func:`side_by_side` the answer is the same but for the rounding of a batch's sums.
    """
    batch = _batch.get()
    if batch is None:
        return backbone.decode(embedding, prompts, guidance=guidance, multimask=multimask)
    return batch.ask(_Call(backbone, embedding, prompts, guidance, multimask, Future()))


def side_by_side(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do a work with every item in a thread of its own, asking the decoder for all at once.

    Args:
        work: asks by :func:`ask_decoder`; what it raises is raised here.
        items: a few, as each has a thread.

    Returns:
        What the work gave, in their order.
    """
    batch = _Batch()
    batch.join(len(items))
    return batch.run(work, items)


def beside_others(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """As :func:`side_by_side` for parts of an item of that, asked together with all other items.

    Elsewhere, one after the other in this thread.
    """
    batch = _batch.get()
    if batch is None or len(items) < 2:
        return [work(item) for item in items]
    batch.join(len(items) - 1)  # this thread waits for them, and asks nothing
    try:
        return batch.run(work, items)
    finally:
        batch.join(1)


def _answer(calls: Sequence[_Call]) -> None:
    """Answer calls of one kind; where that fails for all at once, each by itself."""
    try:
        found = _asked(calls)
    except Exception as error:  # raised by the thread whose call it is
        if len(calls) == 1:
            calls[0].answer.set_exception(error)
            return
        for call in calls:
            _answer([call])
        return
    for call, answer in zip(calls, found, strict=True):
        call.answer.set_result(answer)


def _asked(calls: Sequence[_Call]) -> list[MaskLogits]:
    backbone, several = calls[0].backbone, calls[0].multimask
    if len(calls) == 1:
        _, embedding, prompts, guidance, *_ = calls[0]
        return [backbone.decode(embedding, prompts, guidance=guidance, multimask=several)]
    return backbone.decode_batch(
        [call.embedding for call in calls],
        [call.prompts for call in calls],
        guidance=[call.guidance for call in calls],
        multimask=several,
    )
