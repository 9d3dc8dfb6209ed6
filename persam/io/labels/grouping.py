"""Several marks of one object in a file, made one label."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam.io.labels.structures import Label

if TYPE_CHECKING:
    from collections.abc import Iterable


def grouped(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Unite marks of one class, one group and one kind; marks without a group stay alone.

    Polygons stay polygons; boxes of one group are several objects that somebody put together.
    """
    found: dict[object, list[Label]] = {}
    for number, label in enumerate(labels):
        alone = label.group is None or label.kind == "box"
        key = number if alone else (label.name, label.group, label.kind)
        found.setdefault(key, []).append(label)
    return tuple(
        members[0] if len(members) == 1 else _united(members) for members in found.values()
    )


def _united(members: list[Label]) -> Label:
    first = members[0]
    if len(members) == 1:
        return first
    if first.kind == "points":
        return replace(first, points=tuple(point for one in members for point in one.points))
    facts = {"group": first.group, "origin": first.origin, "attributes": first.attributes}
    if all(one.polygons for one in members):
        rings = [ring for one in members for ring in one.polygons]
        return Label.of_polygons(first.name, rings, first.size, **facts)
    mask = np.logical_or.reduce([one.mask for one in members])
    return Label.of_mask(first.name, mask, **facts)
