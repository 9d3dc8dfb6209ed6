"""One model for a person's clicks and for a search: clicks go first, and wait for one photo."""

from __future__ import annotations

import time
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

from app_page import PHOTOS
from PIL import Image
from test_app_routes import BOX

from persam.app.sharing import Turns
from persam.models.runtime.streams import one_stream

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


def test_streams_share_the_model_and_a_click_has_it_to_itself(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    turns, met, within = Turns(), Barrier(2), 0
    seen: list[int] = []

    def search() -> None:
        nonlocal within
        with one_stream(), turns.turn(hurried=False):
            within += 1
            met.wait(10)  # both have it at the same time
            time.sleep(0.02)
            met.wait(10)
            within -= 1

    def click() -> None:
        with turns.turn(hurried=True):
            seen.append(within)

    threads = [Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    while within < 2:
        time.sleep(0.001)
    threads.append(Thread(target=click))
    threads[-1].start()
    for thread in threads:
        thread.join(10)
    assert seen == [0]


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
