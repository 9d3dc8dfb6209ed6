"""A project's labelling interface: by which controls its labels can be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from persam.errors import InputError
from persam.io.labels import ERROR, Label
from persam.io.labels.label_studio_config import TAGS
from persam.io.labels.label_studio_writer import prediction
from persam.io.labels.outlines import rings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEST = ("brush", "polygon", "rectangle")  # what shows a mask, the best first


@dataclass(frozen=True)
class LabelInterface:
    """The controls of a project.

    Attributes:
        controls: name of the control and of the picture that it belongs to, by kind of mark.
        names: of the classes.
    """

    controls: Mapping[str, tuple[str, str]]
    names: frozenset[str]

    @classmethod
    def of(cls, config: str) -> LabelInterface:
        """Read the project's XML.

        Raises:
            InputError: it is no XML, or no control in it can show a mask or box.
        """
        if "<!DOCTYPE" in config or "<!ENTITY" in config:
            raise InputError("The labelling interface declares entities; it is not read.")
        try:
            root = ET.fromstring(config)  # noqa: S314
        except ET.ParseError as error:
            raise InputError(f"The labelling interface is not XML: {error}.") from error
        controls = {
            kind: (element.get("name", ""), element.get("toName", ""))
            for kind, tag in TAGS.items()
            for element in root.iter(tag)
        }
        if not any(kind in controls for kind in _BEST):
            tags = ", ".join(f"<{TAGS[kind]}>" for kind in _BEST)
            raise InputError(f"The labelling interface needs one of {tags}.")
        return cls(controls, frozenset(one.get("value", "") for one in root.iter("Label")))

    def prediction(self, labels: Sequence[Label]) -> dict[str, Any]:
        """A prediction of these labels, each by the best control that the project has."""
        kind = next(one for one in _BEST if one in self.controls)
        made = prediction([_as(kind, label) for label in labels])
        name, picture = self.controls[kind]
        for region in made["result"]:
            region |= {"from_name": name, "to_name": picture}
        return made


def _as(kind: str, label: Label) -> Label:
    """A mask as a control of that kind can show it."""
    if kind == "brush":
        return label
    if kind == "rectangle":
        return Label.of_box(label.name, label.bounds, label.size, origin=label.origin)
    largest = max(rings_of(label.mask, ERROR), key=_area)
    return Label.of_polygons(label.name, [largest], label.size, origin=label.origin)


def _area(ring: Any) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() + x[-1] * y[0] - x[0] * y[-1])) / 2
