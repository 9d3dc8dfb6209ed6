"""Threads of numpy's matrix products beside a model whose own threads want the same cores."""

from __future__ import annotations

from threading import Lock

import numpy as np  # noqa: F401 - whose library is to be there when it is looked for
from threadpoolctl import ThreadpoolController

# Found once, when this is imported, which is before its users have threads. Looking for libraries
# calls Python under the linker's lock; a thread that imports an extension just then waits for that
# lock and holds Python's own meanwhile, so that neither ever goes on.
_LIBRARIES = ThreadpoolController()


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
                self._limit = _LIBRARIES.limit(limits=1, user_api="blas")
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0:
                self._limit.restore_original_limits()


one_thread = OneThread()
