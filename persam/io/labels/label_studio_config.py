"""Label Studio's labelling interface: which classes there are, and their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from persam.errors import InputError
from persam.io.labels.fields import as_whole, read_text
from persam.io.labels.structures import LabelClass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "label_config.xml"
# Of every kind of mark: the tag, and the name by which regions refer to it.
TAGS = {
    "brush": "BrushLabels",
    "polygon": "PolygonLabels",
    "rectangle": "RectangleLabels",
    "keypoint": "KeyPointLabels",
}


def config_text(classes: Sequence[LabelClass]) -> str:
    """The interface in which all labels of these classes can be shown and drawn."""
    view = ET.Element("View")
    ET.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true"})
    for name, tag in TAGS.items():
        control = ET.SubElement(view, tag, {"name": name, "toName": "image"})
        for one in classes:
            fields = {"value": one.name, "category": str(one.number)}
            if one.colour:
                fields["background"] = one.colour
            ET.SubElement(control, "Label", fields)
    ET.indent(view)
    return ET.tostring(view, "unicode") + "\n"


def read_config(folder: Path) -> tuple[LabelClass, ...]:
    """Classes of ``label_config.xml``; none where there is no such file.

    Raises:
        InputError: it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{path} declares entities, which label files do not; it is not read.")
    try:
        root = ET.fromstring(text)  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise InputError(f"{path} is not XML: {error}.") from error
    found: dict[str, LabelClass] = {}
    for label in root.iter("Label"):
        name, said = label.get("value"), label.get("category")
        if name and name not in found:
            number = len(found) + 1 if said is None else as_whole(said, f"{path}: category")
            found[name] = LabelClass(number, name, label.get("background"))
    if len({one.number for one in found.values()}) < len(found):
        raise InputError(f"{path}: two labels have one category.")
    return tuple(found.values())
