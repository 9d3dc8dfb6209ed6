from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def one_built_in_model(built_in_loaded_once: None) -> None:
    """Every command would load it anew."""
