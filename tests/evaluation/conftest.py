from __future__ import annotations

from typing import TYPE_CHECKING

import drawings
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def drawn(tmp_path) -> Path:
    """A PerSeg folder of dog_1, dog_2 and mug_1, three photos each."""
    drawings.draw(tmp_path)
    return tmp_path
