from __future__ import annotations

import json

import pytest

from persam.errors import MissingExtra
from persam.io.extras import import_extra


def test_what_is_installed_is_imported():
    assert import_extra("json", "any", "Things") is json


def test_what_is_missing_is_named_with_its_pip_line():
    with pytest.raises(MissingExtra) as caught:
        import_extra("no_such_package.part", "video", "Clips")
    assert str(caught.value) == "Clips need an extra: pip install 'persam[video]'"
