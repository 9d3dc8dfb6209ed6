"""One model for a person's clicks and for a search: clicks go first, and wait for one photo."""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING, Any

from app_page import PHOTOS
from PIL import Image
from test_app_routes import BOX

from persam.app.sharing import Turns

if TYPE_CHECKING:
    from pathlib import Path

    from app_page import Page


def test_a_click_goes_before_an_album_that_has_waited_longer():
    turns, order = Turns(), []

    def ask(*, hurried: bool) -> None:
        with turns.turn(hurried=hurried):
            order.append("click" if hurried else "album")

    threads = [Thread(target=ask, kwargs={"hurried": hurried}) for hurried in (False, True)]
    with turns.turn(hurried=False):
        for thread in threads:
            thread.start()
        while not turns._hurried:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["click", "album"]


def test_a_search_has_the_model_for_one_photo_at_a_time(page: Page, album: Path, monkeypatch):
    with Image.open(PHOTOS / "01.jpg") as photo:
        for number in range(4):  # so many that larger batches would be tried
            photo.resize((160 + number, 120)).save(album / f"small{number}.png")
    page.show("00.jpg", BOX)
    backbone: Any = page.session.model.album
    encode, sizes = backbone.encode_preprocessed, []

    def counted(pictures: Any) -> Any:
        sizes.append(len(pictures))
        return encode(pictures)

    monkeypatch.setattr(backbone, "encode_preprocessed", counted, raising=False)
    page.find()
    assert sizes == [1] * 6
