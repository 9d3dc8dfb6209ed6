"""The header of a safetensors file: eight bytes with its length, then JSON, then the tensors."""

from __future__ import annotations

import json
from typing import Any


def parted(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and tensors of a file that was written just now."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), memoryview(data)[8 + length :]


def joined(header: dict[str, Any], body: memoryview) -> bytes:
    """A file of both, its header sorted, so that the same contents are the same bytes.

    Example:
        >>> len(joined({}, memoryview(b"")))
        16
    """
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, body))
