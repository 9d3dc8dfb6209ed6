"""One model for the clicks of a person and for an album in the background: clicks go first."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition
from typing import TYPE_CHECKING, Any, cast

from persam.models.runtime.streams import in_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.models.base import Backbone

_CALLS = frozenset({"encode", "encode_batch", "encode_preprocessed", "decode", "decode_batch"})


class Turns:
    """Lets one caller at a time have the model, or several streams; a hurried one before others."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._alone = False
        self._streams = 0
        self._hurried = 0

    @contextmanager
    def turn(self, *, hurried: bool) -> Iterator[None]:
        """Wait for the model, or a share of it within a stream, and hand it on afterwards."""
        shares = in_stream()
        with self._changed:
            self._hurried += hurried
            self._changed.wait_for(lambda: self._is_free(shares=shares, hurried=hurried))
            self._hurried -= hurried
            self._alone, self._streams = not shares, self._streams + shares
        try:
            yield
        finally:
            with self._changed:
                self._alone, self._streams = False, self._streams - shares
                self._changed.notify_all()

    def _is_free(self, *, shares: bool, hurried: bool) -> bool:
        waits = self._hurried > 0 and not hurried
        return not self._alone and not waits and (shares or self._streams == 0)


def shared(backbone: Backbone, turns: Turns, *, hurried: bool) -> Backbone:
    """The same backbone, whose networks are asked in turns."""
    return cast("Backbone", _SharedBackbone(backbone, turns, hurried=hurried))


class _SharedBackbone:
    def __init__(self, backbone: Backbone, turns: Turns, *, hurried: bool) -> None:
        self._backbone, self._turns, self._hurried = backbone, turns, hurried

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backbone, name)
        if name not in _CALLS:
            return value

        def in_turn(*args: Any, **options: Any) -> Any:
            with self._turns.turn(hurried=self._hurried):
                return value(*args, **options)

        return in_turn
