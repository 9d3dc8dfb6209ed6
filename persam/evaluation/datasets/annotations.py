"""Annotation files in: JSON, and pickles of plain values, each read once.

A pickle can hold orders to run as well as values. The files of the one-shot benchmarks are pickles,
so they are read by a reader that knows values only.
"""

from __future__ import annotations

import json
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What plain values pickle to, beside what needs no name: ordered and default dicts, numbers and
# arrays of NumPy (under both of its names for its own inside), bytes in old pickles.
_VALUES = frozenset(
    {
        ("_codecs", "encode"),
        ("builtins", "bytearray"),
        ("builtins", "dict"),
        ("builtins", "int"),
        ("builtins", "list"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)
# Damaged pickles fail in whatever step they were damaged in.
_DAMAGE = (
    pickle.UnpicklingError,
    *(AttributeError, EOFError, ImportError, IndexError, KeyError),
    *(MemoryError, OverflowError, TypeError, ValueError),
)


class _Values(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core.", "numpy._core.")
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) not in _VALUES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no plain value")
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """Read a pickle of dicts, lists, texts, numbers and arrays; nothing in it is run.

    Raises:
        InputError: unreadable, damaged, or holding anything else.
    """
    try:
        with path.open("rb") as file:
            return _Values(file, encoding="latin-1").load()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except _DAMAGE as error:
        raise InputError(
            f"{path} is not a pickle of plain values ({error}). Get the file anew from the source "
            f"that `persam datasets` names."
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: unreadable, or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}). Get the file anew.") from error


@contextmanager
def expected_layout(path: Path, expected: str) -> Iterator[None]:
    """Turn an exception over a file's contents into an error that names the expected layout.

    Raises:
        InputError: the block met a missing key or a value of another type.
    """
    try:
        yield
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} has another layout than expected ({type(error).__name__}: {error}). "
            f"Expected: {expected}."
        ) from error
