"""Every public name has an example; that they run is seen to by pytest's --doctest-modules."""

from __future__ import annotations

import importlib
import inspect

import pytest

PUBLIC = (
    "persam",
    "persam.album.run",
    "persam.dreambooth",
    "persam.evaluation.benchmark",
    "persam.evaluation.datasets",
    "persam.explanation",
    "persam.io.labels",
)


def _names() -> list[tuple[str, str]]:
    return [(name, one) for name in PUBLIC for one in importlib.import_module(name).__all__]


@pytest.mark.parametrize(("module", "name"), _names())
def test_a_public_name_has_an_example(module, name):
    found = getattr(importlib.import_module(module), name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert "\nExample:\n    >>> " in (inspect.getdoc(found) or "")
