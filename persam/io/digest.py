"""A digest in safetensors files that persam writes, so that no flipped bit passes for a number.

The header of the file has room for words. One of them, ``sha256``, is the digest of all that the
file is without it; files of other programs have none, and are read as they are.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.safetensors_header import joined, parted
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from pathlib import Path

_WORDS, _DIGEST = "__metadata__", "sha256"
_LONGEST = 100_000_000  # bytes of a header, as safetensors itself has it
_PIECE = 1 << 20


def with_digest(data: bytes) -> bytes:
    """A safetensors file with its digest in it.

    Args:
        data: of a file that has none.

    Example:
        >>> from safetensors.numpy import save
        >>> import numpy as np
        >>> b'"sha256"' in with_digest(save({"a": np.zeros(2)}))
        True
    """
    header, body = parted(data)
    digest = _digest(header)
    digest.update(body)
    header[_WORDS] = {**header.get(_WORDS, {}), _DIGEST: digest.hexdigest()}
    return joined(header, body)


def check_digest(path: Path) -> None:
    """Compare a file with the digest in it, where it has one; what is no such file is left alone.

    Raises:
        InputError: the file is not as it was written.
        OSError: it cannot be read.
    """
    refuse_special(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST:
            return
        try:
            header = json.loads(file.read(length))
            noted = header[_WORDS].pop(_DIGEST)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        digest = _digest(header)
        while piece := file.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != noted:
        raise InputError(
            f"{path} is damaged: it is not what was written (its SHA-256 differs from the one in "
            f"its header). Take a copy of it, or make it anew."
        )


def _digest(header: dict[str, Any]) -> Any:
    """The digest begun with a header's tensors and words."""
    plain = {**header, _WORDS: dict(sorted(header.get(_WORDS, {}).items()))}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
