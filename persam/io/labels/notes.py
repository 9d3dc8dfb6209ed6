"""A file beside label files whose format has no place for ids, colours, and who made a label."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.labels.fields import as_list, as_mapping, as_text, as_whole, read_json
from persam.io.labels.origins import origin_from
from persam.io.labels.structures import LabelClass, Origin
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from persam.io.labels.structures import Label

FILE = "persam-labels.json"


class Notes:
    """Classes as they were before, and origins by the shape of the label.

    Attributes:
        classes: with their ids and colours.
        origins: of each picture's labels by :attr:`~persam.io.labels.structures.Label.digest`.
    """

    def __init__(self, classes: Iterable[LabelClass] = ()) -> None:
        self.classes = tuple(classes)
        self.origins: dict[str, dict[str, Origin]] = {}

    @classmethod
    def read(cls, folder: Path) -> Notes:
        """Read the notes of a folder; none where there is no such file.

        Raises:
            InputError: it is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return cls()
        data = as_mapping(read_json(path), str(path))
        notes = cls(class_from(one) for one in as_list(data.get("classes"), f"{path}: classes"))
        for name, origins in as_mapping(data.get("origins"), f"{path}: origins").items():
            found = as_mapping(origins, f"{path}: the origins of {name}")
            notes.origins[name] = {
                shape: origin_from(as_mapping(known, f"{path}: an origin"))
                for shape, known in found.items()
            }
        return notes

    def note(self, name: str, label: Label) -> None:
        """Note who made a label of a picture, as its file will show it; a person needs no note."""
        if label.origin.by == "model":
            self.origins.setdefault(name, {})[label.digest] = label.origin

    def restored(self, name: str, label: Label) -> Label:
        """A label with the origin that was noted of its shape; another shape is a person's."""
        return replace(label, origin=self.origins.get(name, {}).get(label.digest, Origin()))

    def write(self, folder: Path) -> Path:
        """Write the notes; returns their file.

        Raises:
            InputError: it cannot be written.
        """
        origins = {
            name: {
                shape: {key: value for key, value in asdict(origin).items() if value is not None}
                for shape, origin in noted.items()
            }
            for name, noted in self.origins.items()
        }
        data = {"classes": [class_fields(one) for one in self.classes], "origins": origins}
        write_text(folder / FILE, json.dumps(data, allow_nan=False, indent=1))
        return folder / FILE


def class_fields(one: LabelClass) -> dict[str, Any]:
    """A class as JSON has it."""
    return {"id": one.number, "name": one.name, "color": one.colour}


def class_from(value: object) -> LabelClass:
    """A class from what :func:`class_fields` gave.

    Raises:
        InputError: it is something else.
    """
    fields = as_mapping(value, "a class")
    colour = fields.get("color")
    if colour is not None and not isinstance(colour, str):
        raise InputError(f"the colour of a class is {colour!r}, but should be #rrggbb")
    number = as_whole(fields.get("id"), "the id of a class")
    return LabelClass(number, as_text(fields.get("name"), "the name of a class"), colour)
