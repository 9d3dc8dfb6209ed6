"""The batch and the threads that were quickest on this machine, remembered for the next album.

One small file in the folder where conversions are kept, a line for each model, engine and kind of
processor; without it, or where it cannot be written, every album finds them out by itself.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.records import parse
from persam.io.writers import write_text
from persam.models.runtime.conversion_cache import folder
from persam.models.runtime.cpu import cpu_class, thread_count

if TYPE_CHECKING:
    from pathlib import Path

    from persam.models.base import Backbone


@dataclass(frozen=True)
class Pace:
    """How an album was quickest.

    Attributes:
        batch: photos that the encoder takes at once.
        jobs: threads that read and write beside it.
    """

    batch: int
    jobs: int


def pace_file() -> Path:
    """Where it is remembered."""
    return folder() / "pace.json"


def pace_name(backbone: Backbone, *, pictures: bool, cached: bool) -> str:
    """Name everything that the quickest way depends on.

    Args:
        backbone: the model.
        pictures: whether more is made of a photo than its mask.
        cached: whether a cache of embeddings is read and written.
    """
    model = f"{backbone.name}, {backbone.engine}, {backbone.precision}, {backbone.device}"
    machine = f"{cpu_class()}, {os.cpu_count()} cores, {thread_count()} threads"
    more = ", pictures" * pictures + ", cache" * cached
    return f"{model}, {machine}{more}"


def remembered() -> dict[str, Pace]:
    """What is known on this machine, by :func:`pace_name`; a damaged file knows nothing."""
    try:
        found = parse(pace_file().read_bytes(), dict[str, Pace])
    except (OSError, ValueError):
        return {}
    return {name: pace for name, pace in found.items() if pace.batch > 0 and pace.jobs >= 0}


def remember(name: str, pace: Pace) -> None:
    """Keep it for the next album, where there is room for it."""
    every = {**remembered(), name: pace}
    lines = json.dumps({one: asdict(kept) for one, kept in sorted(every.items())}, indent=1)
    with suppress(InputError):
        write_text(pace_file(), lines + "\n")
