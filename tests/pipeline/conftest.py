"""A tiny SAM, and a picture that it has not seen, for stages that crop."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def sam(tiny):
    return tiny("sam")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (80, 120, 3), dtype=np.uint8)
