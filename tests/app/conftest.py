"""A page on drawn photos: in this process, and in its own for browsers and sockets."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app_page import Page, Server

EXTRAS = ("starlette", "uvicorn", "pydantic")
missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if missing else []


@pytest.fixture(autouse=True, scope="module")
def one_built_in_model(built_in_loaded_once: None) -> None:
    """Every page would load it anew."""


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three photos of the dog: the one to show it in, and two to find it in."""
    from app_page import PHOTOS

    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("00.jpg", "01.jpg", "02.jpg"):
        shutil.copy(PHOTOS / name, folder / name)
    return folder


@pytest.fixture
def page(album: Path, tmp_path: Path) -> Iterator[Page]:
    """The page on the album, in this process."""
    from app_page import open_page

    opened = open_page(album, tmp_path / "run")
    yield opened
    opened.session.close()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the drawn photos, for raw requests."""
    from app_page import PHOTOS, Server

    server = Server(PHOTOS, tmp_path_factory.mktemp("live") / "run")
    yield server
    server.end()
