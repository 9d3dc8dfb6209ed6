"""What several tests of albums look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import drawings
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine drawn photos of three folders, with names that clash, and a broken one."""
    root = tmp_path_factory.mktemp("album")
    drawings.draw(root)
    photos = sorted((root / "Images").rglob("*.png"))
    broken = photos[0].with_name("broken.jpg")
    broken.write_bytes(b"no picture")
    return [*photos, broken]
