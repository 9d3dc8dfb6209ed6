"""The search of the album, in the background: progress, cancel, go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from threading import Event, Lock, Thread
from time import time
from typing import TYPE_CHECKING, Any, Literal

from persam.errors import InputError, PersamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from persam.app.events import Events

Status = Literal["idle", "running", "stopping", "stopped", "done", "failed"]


class Cancelled(Exception):
    """The person stopped the job; what is done is kept."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        job: what is being done, for people.
        status: what it is doing.
        total, done: photos or frames; ``skipped`` of them were done by an earlier run.
        began: seconds since 1970, of the first that was not skipped; None before.
        error: why it failed.
    """

    job: str = ""
    status: Status = "idle"
    total: int = 0
    done: int = 0
    skipped: int = 0
    began: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it, and how long it has been going."""
        elapsed = None if self.began is None else round(time() - self.began, 2)
        return asdict(self) | {"elapsed": elapsed}


class BackgroundJob:
    """At most one long job at a time, in a thread of its own."""

    def __init__(self, events: Events) -> None:
        self.progress = Progress()
        self._events = events
        self._cancel = Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        """Whether a job is being done."""
        return self.progress.status in ("running", "stopping")

    def start(self, job: str, total: int, work: Callable[[], None]) -> None:
        """Begin a job; ``work`` calls :meth:`step` after each photo.

        Raises:
            InputError: one is being done already.
        """
        with self._lock:
            if self.running:
                raise InputError("The search is running already. Stop it first.")
            self._cancel.clear()
            self.progress = Progress(job, "running", total)
            self._thread = Thread(target=self._do, args=(work,), name="persam-job", daemon=True)
            self._thread.start()
        self._tell()

    def step(self, *, skipped: bool = False) -> None:
        """Count one more photo.

        Raises:
            Cancelled: the person stopped the job.
        """
        now = self.progress
        began = now.began if now.began is not None or skipped else time()
        self.progress = replace(now, done=now.done + 1, skipped=now.skipped + skipped, began=began)
        self._tell()
        if self._cancel.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Stop after the photo at hand."""
        with self._lock:
            if self.running:
                self._cancel.set()
                self.progress = replace(self.progress, status="stopping")
        self._tell()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the job has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _do(self, work: Callable[[], None]) -> None:
        status: Status = "failed"
        error: str | None = "The search ended unexpectedly; the terminal says why."
        try:
            work()
            status, error = "done", None
        except Cancelled:
            status, error = "stopped", None
        except PersamError as stopped:
            error = str(stopped)
        finally:
            self.progress = replace(self.progress, status=status, error=error)
            self._tell()

    def _tell(self) -> None:
        self._events.publish("progress", **self.progress.to_json())
