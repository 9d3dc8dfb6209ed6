"""What a run over many photos tells of itself at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.cli.console import complain, count, named, say

if TYPE_CHECKING:
    from persam.album.run import Summary
    from persam.io.folders import Listing

_NAMED = 5


def report_album(summary: Summary, listing: Listing, *, quiet: bool) -> None:
    """Say how many photos have the object, what was kept, and what went wrong."""
    if not quiet:
        _report_found(summary)
        by_hand, skipped = len(summary.by_hand), summary.skipped - len(summary.by_hand)
        if skipped:
            say(f"{count(skipped, 'photo')} skipped, done already (--overwrite to redo)")
        if by_hand:
            say(f"{count(by_hand, 'mask')} changed by hand, kept (--overwrite-hand-work to redo)")
        if summary.sheet is not None:
            say(f"Contact sheet: {summary.sheet}")
        _report_passed_over(listing)
    for line in summary.not_written:
        complain(line)
    if summary.failed:
        complain(f"{count(len(summary.failed), 'photo')} failed:")
    for record in summary.failed:
        complain(f"  {named(record.input, str(record.error))}")


def _report_found(summary: Summary) -> None:
    found, doubtful = len(summary.present), len(summary.doubtful)
    absent = f", not in {summary.done - found}" if found < summary.done else ""
    doubt = f"; {doubtful} doubtful, marked in the manifest" if doubtful else ""
    photos = count(summary.done, "photo")
    say(f"Found in {found} of {photos}{absent}{doubt}. Masks: {summary.manifest.parent}")


def _report_passed_over(listing: Listing) -> None:
    if listing.passed_over:
        names = [path.name for path in listing.passed_over[:_NAMED]]
        more = ", ..." if len(listing.passed_over) > _NAMED else ""
        entries = count(len(listing.passed_over), "entry", "entries")
        say(f"Left out of the folders, as no picture files: {entries} ({', '.join(names)}{more})")
