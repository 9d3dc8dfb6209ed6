"""The page in a real browser: shown by click, box and brush, found, put right, taken away.

Wants Playwright's Python package and Debian's Chromium (`make test-app` says how). With
PERSAM_SCREENSHOTS=DIR the views are pictured there, as docs/app/ has them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from app_page import MASKS, PHOTOS, Server, write_clip
from PIL import Image

from persam.io.masks import read_labels, read_mask
from persam.metrics import iou

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update", "--no-first-run"]
WAIT = 90_000  # milliseconds; machines that do other work meanwhile are slow to load a model
HOSTILE = "<img src=x onerror=document.title='taken'> & “dog”.jpg"
WIDTHS = {"wide": (1440, 900), "phone": (400, 800), "4k": (3840, 2160)}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install -y chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None,
        reason="no Playwright: pip install playwright",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("browser") / "Our dog"
    shutil.copytree(PHOTOS, photos)
    return photos


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    started = Server(folder, folder.parent / "run")
    yield started
    started.end()


class Window:
    """A page in the browser, and what a person does there."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page, self.server, self.errors = page, server, []
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda told: told.type == "error" and self.errors.append(told.text))
        page.goto(server.url)

    def go(self, where: str) -> None:
        self.page.evaluate("where => { window.location.hash = where; }", where)

    def opened(self) -> Any:
        self.page.locator(".editor:not(.waiting) .viewport canvas").wait_for()
        return self.page.locator(".viewport canvas")

    def at(self, x: float, y: float) -> dict[str, float]:
        """Where a pixel of the 640x480 photo is on the canvas."""
        box = self.opened().bounding_box()
        scale = min((box["width"] - 16) / 640, (box["height"] - 16) / 480)
        left, top = (box["width"] - 640 * scale) / 2, (box["height"] - 480 * scale) / 2
        return {"x": left + x * scale, "y": top + y * scale}

    def click(self, x: float, y: float, **options: Any) -> None:
        self.opened().click(position=self.at(x, y), **options)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.pull(*self.way(start, end))

    def way(
        self, start: tuple[float, float], end: tuple[float, float]
    ) -> list[tuple[float, float]]:
        """From where to where on the page pixels of the photo are."""
        box = self.opened().bounding_box()
        places = [self.at(*start), self.at(*end)]
        return [(box["x"] + place["x"], box["y"] + place["y"]) for place in places]

    def pull(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one place of the page to another, whatever is there."""
        (a, b), (c, d) = start, end
        self.page.mouse.move(a, b)
        self.page.mouse.down()
        self.page.mouse.move((a + c) / 2, (b + d) / 2, steps=3)
        self.page.mouse.move(c, d, steps=3)
        self.page.mouse.up()

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=re.compile(name))

    def toast(self, text: str) -> None:
        self.page.locator(".toast", has_text=text).first.wait_for()

    def idle(self) -> None:
        """Wait until no job runs, by the server's own word."""
        script = "async () => (await (await fetch('/api/session')).json()).progress.status"
        until = time.monotonic() + WAIT / 1000
        while self.page.evaluate(script) in ("running", "stopping"):
            assert time.monotonic() < until, "the job has not ended"
            self.page.wait_for_timeout(100)

    def picture(self, name: str) -> None:
        """Screenshots of this view at three widths, where they are asked for."""
        place = os.environ.get("PERSAM_SCREENSHOTS")
        if not place:
            return
        self.page.evaluate("() => document.getElementById('toasts').replaceChildren()")
        for kind, (width, height) in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.wait_for_timeout(900)
            path = Path(place) / kind / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(path), type="jpeg", quality=82)
        width, height = WIDTHS["wide"]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_timeout(300)


@pytest.fixture
def window(browser: Any, server: Server) -> Iterator[Window]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = Window(context.new_page(), server)
    yield opened
    context.close()
    assert not opened.errors


def run_of(folder: Path) -> Path:
    return folder.parent / "run"


def truth(name: str) -> np.ndarray:
    return read_mask(MASKS / name, (480, 640)) > 0


# The tests of this file are one story and go on where the one before ended, each in a new window.


def test_1_show_by_click_box_and_brush(window: Window, folder: Path):
    page = window.page
    page.get_by_label("Name of the object").fill("dog")
    page.keyboard.press("Enter")
    page.locator(".chip.chosen", has_text="dog").wait_for()
    page.locator(".strip .tile[title='00.jpg']").click()
    window.click(320, 240)
    window.button("Use as reference").and_(page.locator(":enabled")).wait_for()
    window.click(320, 330)
    window.click(600, 60, button="right")
    for _ in range(3):
        page.keyboard.press("Control+z")
    page.locator(".actions .primary:disabled").wait_for()  # nothing is marked any more
    page.keyboard.press("Control+y")
    page.locator(".actions .primary:enabled").wait_for()
    page.keyboard.press("Escape")
    window.drag((190, 50), (440, 460))
    page.locator(".actions .primary:enabled").wait_for()
    window.button("Paint").click()
    window.drag((300, 300), (340, 300))
    window.button("Erase").click()
    window.drag((20, 20), (60, 40))
    window.button("On it").click()
    window.picture("show")
    page.keyboard.press("Enter")
    window.toast("Shown: this is dog.")
    shown = read_mask(run_of(folder) / "references" / "dog" / "00.png", (480, 640)) > 0
    assert iou(shown, truth("00.png")) > 0.7
    assert shown[300, 300:340].all()
    assert not shown[20:40, 20:60].any()


def test_1_show_by_the_keyboard_alone(window: Window):
    page = window.page
    window.go("show")
    window.opened().focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".actions .primary:enabled").wait_for()
    page.keyboard.press("Shift+Enter")  # off it
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.locator(".actions .primary:disabled").wait_for()


def test_2_find(window: Window, folder: Path):
    page = window.page
    window.go("show")
    window.button("Find it in").click()
    page.locator(".grid .meter").nth(6).wait_for()
    window.button("Search again").wait_for()
    page.locator(".count", has_text="Found in 7 of 7").wait_for()
    window.picture("find")
    shutil.copy(PHOTOS / "05.jpg", folder / HOSTILE)
    page.reload()
    window.button("Go on: 1 left").click()
    page.locator(".count", has_text="Found in 8 of 8").wait_for()
    # The slider sorts at once, and nothing is asked of the server but to remember it.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.get_by_label("Presence")
    with page.expect_request("**/api/slider"):
        slider.fill("100")
        page.locator(".tile.absent").first.wait_for()
        assert int(re.search(r"in (\d+)", page.locator(".count").inner_text())[1]) < 8
    assert all("/api/slider" in url or "/labels" in url or "/picture" in url for url in asked)
    with page.expect_request("**/api/slider"):
        slider.fill("25")
    page.locator("select").select_option("name")
    names = page.locator(".grid .name").all_inner_texts()
    assert names[0] in ("00.jpg", HOSTILE)
    assert HOSTILE in names  # as text
    assert page.title() == "persam"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    window.opened()


def test_3_correct(window: Window, folder: Path):
    page = window.page
    window.go("find")
    page.locator(".grid .tile", has_text="04.jpg").click()
    window.opened()
    page.locator(".fact", has_text="found").wait_for()
    window.picture("correct")
    before = read_labels(run_of(folder) / "04.png", (480, 640))
    window.button("Paint").click()
    window.drag((20, 30), (80, 30))
    page.locator(".actions .primary:enabled", has_text="Save").wait_for()
    page.keyboard.press("s")
    window.toast("Corrected.")
    after = read_labels(run_of(folder) / "04.png", (480, 640))
    assert after[30, 25:75].all()
    assert not before[30, 25:75].any()
    window.button("Learn from 1 corrected").first.click()
    window.toast("Learnt from 1 corrected")
    window.go("find")
    window.button("Search again").wait_for()
    assert (read_labels(run_of(folder) / "04.png", (480, 640)) == after).all()
    page.locator(".grid .tile", has_text="06.jpg").click()
    window.opened()
    page.locator(".fact", has_text="found").wait_for()
    page.keyboard.press("n")
    window.go("find")
    page.locator(".filter", has_text="Not here").click()
    assert page.locator(".grid .name").all_inner_texts() == ["06.jpg"]


def test_4_take_away(window: Window, folder: Path):
    page = window.page
    window.go("take")
    for product in ("Overlays", "Copies of the found photos", "Concept files"):
        page.locator(".product", has_text=product).click()
    page.get_by_label("Name of the folder").fill("album")
    window.picture("take")
    # Soft edges have tests of their own, and compile for half a minute on a busy machine.
    page.get_by_label("Edges").select_option('"hard"')
    window.button("Write them").click()
    window.toast("7 photos written")
    taken = run_of(folder) / "exports" / "album"
    for kind in ("masks", "cutouts", "overlays", "photos"):
        assert len(list((taken / kind).iterdir())) == 7
    assert (taken / "dog.safetensors").is_file()
    assert "persam segment" in (taken / "commands.txt").read_text(encoding="utf-8")


def test_5_reload_in_the_middle_of_a_look_and_of_a_search(window: Window):
    page = window.page
    window.go("find")
    page.locator(".grid .tile", has_text="01.jpg").click()
    window.opened()
    address = page.url
    page.reload()
    window.opened()
    assert page.url == address
    page.locator(".fact", has_text="found").wait_for()
    assert page.locator(".headline .name").inner_text() == "01.jpg"
    window.go("find")
    with page.expect_response("**/api/find"):  # else the reload may come before the search
        window.button("Search again").click()
    page.reload()
    window.button("Search again").wait_for()
    window.idle()
    page.locator(".count", has_text="Found in 7 of 8").wait_for()


def test_6_kill_the_server_in_the_middle(window: Window, server: Server, folder: Path):
    page = window.page
    window.go("find")
    window.button("Search again").click()
    page.locator(".progress, .run button").first.wait_for()
    server.kill()
    page.locator(".status.failed", has_text="Server is away").wait_for()
    kept = {path.name: path.read_bytes() for path in run_of(folder).glob("corrections/*/*.png")}
    state = (run_of(folder) / "app.json").read_bytes()
    again = Server(folder, run_of(folder), "--port", str(server.port))
    server.process = again.process  # the fixture ends it
    page.locator(".status.ready").wait_for()
    page.reload()
    page.locator(".chip.chosen", has_text="dog").wait_for()
    assert (run_of(folder) / "app.json").read_bytes() == state
    window.button("Search again|Go on|Find it").first.click()
    window.button("Search again").wait_for()
    window.idle()
    after = {path.name: path.read_bytes() for path in run_of(folder).glob("corrections/*/*.png")}
    assert after == kept
    window.errors.clear()  # the browser complains of a server that was away


def test_7_video(window: Window, folder: Path):
    pytest.importorskip("av")
    write_clip(folder / "walk.mp4", frames=6)
    page = window.page
    page.reload()
    window.idle()  # else the clip waits for its turn
    page.route("**/api/clips/*/open", lambda route: late(route, run_of(folder)))
    page.locator(".tab", has_text="Video").click()
    page.locator(".place", has_text="1 / 6").wait_for()
    for number in (2, 3):
        turn(window, "ArrowRight", number - 1)
        page.locator(".place", has_text=f"{number} / 6").wait_for()
    settle(window, 2)
    page.locator(".actions button", has_text="Track").click()
    window.button("Overlay video").wait_for()  # all is tracked
    page.locator(".said", has_text="by hand").wait_for()
    turn(window, "End", 5)
    page.locator(".said", has_text="score").wait_for()
    settle(window, 5)
    page.locator(".actions button", has_text="Track again").click()
    page.locator(".said", has_text="by hand").wait_for()
    window.button("Overlay video").wait_for()
    window.picture("video")
    (track,) = (run_of(folder) / "clips").glob("*/track")
    lines = (track / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6
    last = read_labels(sorted((track / "masks").glob("*.png"))[5], (240, 320)) > 0
    assert iou(last, np.roll(truth("00.png")[::2, ::2], 4 * 5, axis=1)) > 0.7


def test_7_what_is_drawn_before_a_frame_is_open_stays(window: Window):
    page = window.page
    page.locator(".tab", has_text="Video").click()
    page.locator(".place", has_text="1 / 6").wait_for()
    way = window.way((214, 50), (464, 460))
    held: list[Any] = []
    page.route("**/*-3/open", lambda route: held.append(route))  # noqa: PLW0108
    turn(window, "ArrowRight", 1)
    turn(window, "ArrowRight", 2)
    with page.expect_request("**/*-3/open"):  # the frame is shown, and not open yet
        page.keyboard.press("ArrowRight")
    window.pull(*way)
    settled = window.button("Settle this frame").and_(page.locator(":enabled"))
    settled.wait_for()
    held[0].continue_()
    window.opened()
    page.wait_for_timeout(300)
    assert settled.is_visible()
    page.keyboard.press("Enter")
    window.button("Take this frame back").wait_for()


def late(route: Any, run: Path) -> None:
    """Hand on an answer so late that the news of what it asked for has come before."""
    answer = route.fetch()
    until = time.monotonic() + WAIT / 1000
    while not list(run.glob("clips/*/clip.json")) and time.monotonic() < until:
        time.sleep(0.05)
    route.fulfill(response=answer)


def turn(window: Window, key: str, frame: int) -> None:
    """Go to a frame and wait for all that drawing in it needs, which comes after a short rest."""
    with window.page.expect_response(re.compile(rf"-{frame}/open$")):
        window.page.keyboard.press(key)


def settle(window: Window, frame: int) -> None:
    """Drag a box round the dog, which goes 8 pixels of the photo a frame, and settle that."""
    window.opened()
    window.drag((190 + 8 * frame, 50), (440 + 8 * frame, 460))
    window.button("Settle this frame").and_(window.page.locator(":enabled")).wait_for()
    window.page.keyboard.press("Enter")
    window.button("Take this frame back").wait_for()


def test_8_touch(browser: Any, server: Server):
    """Tapped on, tapped off, and brought nearer by two fingers."""
    phone = {"width": 400, "height": 800}
    context = browser.new_context(viewport=phone, has_touch=True, is_mobile=True)
    window = Window(context.new_page(), server)
    page = window.page
    window.go("show")
    tapped: list[list[float]] = []
    points = lambda request: request.post_data_json["drawing"]["points"]  # noqa: E731
    # A tap's first request; a second look sends another one.
    outlines = lambda one: "/outline" in one.url and not one.post_data_json["closely"]  # noqa: E731
    page.on("request", lambda one: outlines(one) and tapped.append(points(one)[-1]))
    place, box = window.at(320, 240), window.opened().bounding_box()
    x, y = box["x"] + place["x"], box["y"] + place["y"]

    def tap(dx: float) -> None:
        with page.expect_request(outlines):
            page.touchscreen.tap(x + dx, y)

    tap(0)
    page.locator(".actions .primary:enabled").wait_for()
    window.button("Not it").click()
    tap(40)
    fingers = context.new_cdp_session(page)
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", 0)):
        touches = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        sent = touches if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": sent})
    tap(0)
    tap(40)
    assert [label for _, _, label in tapped] == [1, 0, 0, 0]
    far, near = tapped[1][0] - tapped[0][0], tapped[3][0] - tapped[2][0]
    assert near == pytest.approx(far / 3, abs=3)  # as the fingers went from 30 to 90 pixels
    context.close()
    assert not window.errors


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_9_every_view_fits_its_width_in_light_and_dark(window: Window, scheme: str):
    page = window.page
    page.emulate_media(color_scheme=scheme)
    for width, height in WIDTHS.values():
        page.set_viewport_size({"width": width, "height": height})
        for view in ("show", "find", "correct", "video", "take"):
            window.go(view)
            page.locator(f"#view.{view}").wait_for()
            script = "() => document.documentElement.scrollWidth - window.innerWidth"
            assert page.evaluate(script) <= 0, (view, width)
    if scheme == "dark" and os.environ.get("PERSAM_SCREENSHOTS"):
        window.go("find")
        window.picture("dark")


def test_10_many_photos(browser: Any, tmp_path: Path):
    """500 of them under `make test-app`; fewer in every run of the tests."""
    count = int(os.environ.get("PERSAM_APP_PHOTOS", "12"))
    album = tmp_path / "many"
    album.mkdir()
    for number in range(count):
        with Image.open(PHOTOS / f"0{number % 7}.jpg") as photo:
            photo.resize((160, 120)).save(album / f"{number:04}.jpg")
    server = Server(album, tmp_path / "run")
    window = Window(browser.new_page(viewport={"width": 1440, "height": 900}), server)
    page = window.page
    window.go("show")
    window.drag((190, 50), (440, 460))  # places of a 640x480 photo, which has the same shape
    page.locator(".actions .primary:enabled").wait_for()
    page.keyboard.press("Enter")
    window.toast("Shown: this is object.")
    window.button("Find it in").click()
    page.locator(".grid .meter").first.wait_for()
    window.button("Stop").click()
    window.button("Go on|Search again").first.wait_for()
    window.button("Go on|Search again").first.click()
    page.set_default_timeout(10 * WAIT)
    window.button("Search again").wait_for()
    assert page.locator(".grid .tile").count() == count
    script = """() => new Promise(resolve => {
        const slider = document.getElementById("presence");
        const began = performance.now();
        slider.value = 90;
        slider.dispatchEvent(new Event("input"));
        requestAnimationFrame(() => resolve(performance.now() - began));
    })"""
    assert page.evaluate(script) < 2000  # milliseconds to sort anew, on a busy machine
    page.close()
    assert not window.errors
    server.end()
