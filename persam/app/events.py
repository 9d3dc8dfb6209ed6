"""What happens, told to every open page as server-sent events."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_PAGES = 32
_BACKLOG = 2000  # events that wait for a slow page; one that falls further behind reloads
_SILENCE = 15.0  # seconds after which a comment keeps the connection open


class Events:
    """A broadcast from any thread to the pages that listen."""

    def __init__(self) -> None:
        self._pages: dict[asyncio.Queue[str | None], asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    def publish(self, kind: str, **data: Any) -> None:
        """Tell every page; safe in any thread."""
        text = f"event: {kind}\ndata: {json.dumps(data, allow_nan=False)}\n\n"
        with self._lock:
            pages = list(self._pages.items())
        for queue, loop in pages:
            with suppress(RuntimeError):  # the loop has ended: so has the page
                loop.call_soon_threadsafe(_offer, queue, text)

    def close(self) -> None:
        """End every connection, so that the server can stop."""
        with self._lock:
            pages = list(self._pages.items())
        for queue, loop in pages:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_end, queue)

    @property
    def full(self) -> bool:
        """Whether no more pages may listen."""
        return len(self._pages) >= MOST_PAGES

    async def listen(self) -> AsyncIterator[str]:
        """Events of one page until it leaves."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_BACKLOG)
        with self._lock:
            self._pages[queue] = asyncio.get_running_loop()
        try:
            yield "event: hello\ndata: {}\n\n"
            while (text := await _next(queue)) is not None:
                yield text
        finally:
            with self._lock:
                self._pages.pop(queue, None)


async def _next(queue: asyncio.Queue[str | None]) -> str | None:
    try:
        return await asyncio.wait_for(queue.get(), _SILENCE)
    except TimeoutError:
        return ": still here\n\n"


def _offer(queue: asyncio.Queue[str | None], text: str) -> None:
    if queue.full():
        _end(queue)  # the page connects again and asks for everything
    else:
        queue.put_nowait(text)


def _end(queue: asyncio.Queue[str | None]) -> None:
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
