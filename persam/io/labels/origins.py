"""Who made a label, noted in the label's own file: one word of JSON beside its shape.

The note names the shape that it was written with. A shape that is another one by the time it is
read was changed by a person since, and is that person's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from persam.io.labels.structures import Label, Origin

NOTE = "persam"
_WORDS = ("concept", "version")
_NUMBERS = ("score", "presence", "doubt")


def note_of(origin: Origin, digest: str) -> str | None:
    """What to note of a label with this shape; None of a person's, which needs no note."""
    if origin.by == "person":
        return None
    known = {name: value for name, value in asdict(origin).items() if value is not None}
    return json.dumps(known | {"shape": digest}, allow_nan=False)


def with_origin(label: Label) -> Label:
    """A label with the origin that was noted of it, if its shape is still the noted one.

    Args:
        label: as read, with the note among its attributes; anything but a note of this program is
            a person's.
    """
    known = _parsed(label.attributes.get(NOTE))
    others = {name: value for name, value in label.attributes.items() if name != NOTE}
    ours = known.get("by") == "model" and known.get("shape") == label.digest
    return replace(label, origin=origin_from(known) if ours else Origin(), attributes=others)


def origin_from(known: dict[str, Any]) -> Origin:
    """An origin from fields that may be anything; what is not of its type is left out."""
    kept = Origin("model" if known.get("by") == "model" else "person")
    words = {name: known[name] for name in _WORDS if isinstance(known.get(name), str)}
    numbers = {name: known[name] for name in _NUMBERS if isinstance(known.get(name), int | float)}
    return replace(kept, **words, **numbers)


def _parsed(note: object) -> dict[str, Any]:
    if isinstance(note, str):
        try:
            note = json.loads(note)
        except ValueError:
            return {}
    return note if isinstance(note, dict) else {}
