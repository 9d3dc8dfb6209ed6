"""Annotation files in: JSON, and pickles of plain values, each read once.

A pickle can hold orders to run as well as values. The files of the one-shot benchmarks are pickles,
so :mod:`persam.evaluation.datasets.plain_pickle` reads them, which knows values only.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets import plain_pickle
from persam.io.special_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_pickle(path: Path) -> Any:
    """Read a pickle of dicts, lists, texts, numbers and arrays; nothing in it is run.

    Raises:
        InputError: unreadable, damaged, too large, or holding anything else.
    """
    content = read_bytes(path, plain_pickle.MOST_BYTES)
    try:
        return plain_pickle.loads(content)
    except ValueError as error:
        raise InputError(
            f"{path} is not a pickle of plain values ({error}). Get the file anew from the source "
            f"that `persam datasets` names."
        ) from error


def read_npy_list(path: Path) -> list[Any]:
    """Read what ``np.save`` made of a list of dicts; nothing in it is run.

    Raises:
        InputError: unreadable, damaged, or holding anything else.
    """
    wrong = f"{path} is not a list that np.save wrote"
    file = BytesIO(read_bytes(path))
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        header = read if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = header(file)
        data = file.read()
        found = plain_pickle.loads(data, object_arrays=True) if dtype == np.dtype(object) else None
    except ValueError as error:
        raise InputError(f"{wrong} ({error}). Make it anew.") from error
    if not isinstance(found, list):
        raise InputError(f"{wrong}: it holds {dtype}. Make it anew.")
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: unreadable, or not JSON.
    """
    content = read_bytes(path)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
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
