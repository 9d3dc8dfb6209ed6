"""How a run's data differ from what the published figures were measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.datasets.catalogue import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.evaluation.datasets.catalogue import DatasetEntry


def departures(name: str, settings: Mapping[str, Any], groups: int | None = None) -> list[str]:
    """In which ways a run's data are not the whole protocol's, in words; none where they are.

    Args:
        name: of the data set.
        settings: as :func:`persam.evaluation.scores.dataset_settings` gives them, or a report.
        groups: how many objects or classes there are in it; None where that is not known.

    Example:
        >>> departures("perseg", {"reference_index": 1}, groups=3)
        ['3 of 40 objects', 'photo 01 shown']
        >>> departures("coco-20i", {"folds": ["0", "2"], "classes": 40, "episodes": 2000})
        ['2 of 4 folds (0, 2)']
    """
    try:
        entry = find(name)
    except InputError:
        return []  # of a data set of one's own there is no protocol
    whole = settings.get("full_protocol")
    found = [] if whole else [*_folds(entry, settings, groups), *_episodes(entry, settings)]
    if settings.get("reference_index"):
        found.append(f"photo {settings['reference_index']:02d} shown")
    if whole is False and not found:
        found.append("other episodes")
    if settings.get("original_size"):
        found.append("at original size")
    return found


def _folds(entry: DatasetEntry, settings: Mapping[str, Any], groups: int | None) -> list[str]:
    folds = settings.get("folds", ())
    if folds and len(folds) < len(entry.folds):
        return [f"{len(folds)} of {len(entry.folds)} folds ({', '.join(folds)})"]
    classes = settings.get("classes", groups)
    if None in (classes, entry.classes) or classes == entry.classes:
        return []
    what = "classes" if "classes" in settings else "objects"
    few = classes < entry.classes
    return [
        f"{classes} of {entry.classes} {what}"
        if few
        else f"{classes} {what} instead of {entry.classes}"
    ]


def _episodes(entry: DatasetEntry, settings: Mapping[str, Any]) -> list[str]:
    drawn, folds = settings.get("episodes"), len(settings.get("folds", ()))
    if drawn is None:
        return []
    if entry.episodes is None:
        return [f"{drawn:,} episodes"]
    due = entry.episodes * folds // len(entry.folds)
    return [] if drawn == due else [f"{drawn:,} of {due:,} episodes"]
