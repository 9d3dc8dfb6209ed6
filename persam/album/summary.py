"""What a run over many photos did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from persam.album.manifest import Record


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        records: one for each photo, in the order of the photos.
        skipped: how many of them were done already by an earlier run, or by hand.
        manifest: the written ``manifest.jsonl``.
        sheet: the written contact sheet, None where none was asked for or written.
        not_written: why further results are missing, one line for each kind; masks are there.

    Example:
        >>> from pathlib import Path
        >>> from persam.album.manifest import Record
        >>> records = (Record("/a.jpg", "a.png", 0.9), Record("/b.jpg", error="no picture"))
        >>> summary = Summary(records, skipped=0, manifest=Path("manifest.jsonl"))
        >>> (summary.written, summary.done, [one.input for one in summary.failed])
        (1, 1, ['/b.jpg'])
    """

    records: tuple[Record, ...]
    skipped: int
    manifest: Path
    sheet: Path | None = None
    not_written: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Record, ...]:
        """The photos without a mask."""
        return tuple(record for record in self.records if record.error is not None)

    @property
    def written(self) -> int:
        """How many masks this run wrote."""
        return len(self.records) - self.skipped - len(self.failed)

    @property
    def done(self) -> int:
        """How many photos have a mask, empty ones included, of this run, an earlier one or hand."""
        return len(self.records) - len(self.failed)

    @property
    def present(self) -> tuple[Record, ...]:
        """The photos in which something was found."""
        return tuple(record for record in self.records if record.present)

    @property
    def doubtful(self) -> tuple[Record, ...]:
        """The photos that a person should look at."""
        return tuple(
            record
            for record in self.records
            if any(one.doubtful for one in (record, *(record.found or ())))
        )

    @property
    def by_hand(self) -> tuple[Record, ...]:
        """The photos whose masks somebody has changed, and that were left so."""
        return tuple(record for record in self.records if record.origin == "hand")
