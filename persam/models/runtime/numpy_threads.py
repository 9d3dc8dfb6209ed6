"""Threads of numpy's matrix products beside a model whose own threads want the same cores."""

from __future__ import annotations

from functools import cached_property
from threading import Lock

from threadpoolctl import ThreadpoolController


class OneThread:
    """Keeps numpy's products to the thread that asks for them, within ``with`` blocks.

    Their own threads wait by turning, on the cores that the model's want. Blocks may be nested and
    in any thread: the setting, which is the whole process's, is as before once the last is left.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._within = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._within == 0:
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0:
                self._limit.restore_original_limits()

    @cached_property
    def _controller(self) -> ThreadpoolController:
        return ThreadpoolController()


one_thread = OneThread()
