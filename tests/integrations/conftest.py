from __future__ import annotations

from pathlib import Path

import plush
import pytest

from persam.models.loading import load


@pytest.fixture(scope="session")
def pocket():
    return load("pocket", device="cpu")


@pytest.fixture(scope="session")
def concepts(tmp_path_factory: pytest.TempPathFactory, pocket) -> Path:
    return plush.concept_set(tmp_path_factory.mktemp("concepts"), pocket)
