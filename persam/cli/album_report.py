"""What a run over many photos tells of itself at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.cli.console import complain, count, named, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from persam.album.run import Summary
    from persam.concept import Concept
    from persam.io.folders import Listing

_NAMED = 5


def report_album(summary: Summary, listing: Listing, min_presence: float, *, quiet: bool) -> None:
    """Say how many photos have the object, what was kept, and what went wrong."""
    if not quiet:
        found, doubtful = len(summary.present), len(summary.doubtful)
        words = verdict(found, summary.done, doubtful, min_presence)
        say(f"{words}. Masks: {summary.manifest.parent}")
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


def least_presence(concepts: Iterable[Concept], *, quiet: bool) -> float:
    """From which presence on the objects count as there; 0 where that is never asked.

    Says so where one of them cannot be told to be absent.
    """
    from persam.album.search import why_presence_is_unknown

    thresholds = []
    for concept in concepts:
        if not quiet and concept.calibration is None and concept.variant.min_presence > 0:
            complain(f"{why_presence_is_unknown(concept)} Every photo got a mask.")
        thresholds.append(concept.variant.min_presence if concept.calibration else 0.0)
    return max(thresholds)


def verdict(found: int, looked: int, doubtful: int, min_presence: float) -> str:
    """How many photos have the object, in words.

    Args:
        found: in how many it was found.
        looked: at how many photos.
        doubtful: how many a person should look at.
        min_presence: from which presence on the object counts as there; 0 where that is not asked.

    Example:
        >>> verdict(16, 40, 3, 0.35)
        'Found in 16 of 40 photos, not in 24 (presence from 0.35; 3 doubtful)'
    """
    absent = f", not in {looked - found}" if found < looked else ""
    doubt = f"; {doubtful} doubtful" if doubtful else ""
    rule = f" (presence from {min_presence:g}{doubt})" if min_presence else ""
    return f"Found in {found} of {count(looked, 'photo')}{absent}{rule}"


def _report_passed_over(listing: Listing) -> None:
    if listing.passed_over:
        names = [path.name for path in listing.passed_over[:_NAMED]]
        more = ", ..." if len(listing.passed_over) > _NAMED else ""
        entries = count(len(listing.passed_over), "entry", "entries")
        say(f"Left out of the folders, as no picture files: {entries} ({', '.join(names)}{more})")
