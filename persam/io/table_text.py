"""File names in tables, whose text is UTF-8, which the bytes of a file's name need not be."""

from __future__ import annotations

import re

# Python reads such a byte as half a surrogate; here it becomes one of the last private characters.
_LOST, _KEPT = 0xDC00, 0x10FF00
_HALF = re.compile("[\udc80-\udcff]")
_PRIVATE = re.compile("[\U0010ff80-\U0010ffff]")


def storable(text: str) -> str:
    """Text that UTF-8 holds; :func:`restored` gives the text back.

    Example:
        >>> storable("dog.jpg"), restored(storable(chr(0xDCE9))) == chr(0xDCE9)
        ('dog.jpg', True)
    """
    return _HALF.sub(lambda found: chr(ord(found[0]) - _LOST + _KEPT), text)


def restored(text: str) -> str:
    """The text of which :func:`storable` made this."""
    return _PRIVATE.sub(lambda found: chr(ord(found[0]) - _KEPT + _LOST), text)
