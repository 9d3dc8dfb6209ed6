"""What the page costs: click to mask, the first photo found, an album beside the command line.

    python benchmarks/app.py DATA --photos 500 --json benchmarks/app.json

DATA is a folder in PerSeg's layout; its pictures are copied under new names until there are enough.
Everything is measured through HTTP as the page asks, on the whole way from the request to the
answer's last byte; with Chromium and Playwright, also in the page itself, to the drawn mask.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

TOKEN = "benchmark-of-the-page"  # noqa: S105
PERSAM = [sys.executable, "-c", "from persam.cli import main; main()"]
CLICKS = 6  # a photo


class Page:
    """A server of its own process, and requests as the page makes them."""

    def __init__(self, photos: Path, run: Path) -> None:
        command = [*PERSAM, "app", str(photos), "--out", str(run), "--no-browser", "--token", TOKEN]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        line = self.process.stdout.readline() if self.process.stdout else ""
        self.url = re.search(r"http://\S+", line)[0]
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        own = f"127.0.0.1:{self.port}"
        headers = {"Origin": f"http://{own}", "Cookie": f"persam-token-{self.port}={TOKEN}"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    def session(self) -> dict[str, Any]:
        return json.loads(self.ask("GET", "/api/session"))

    def memory(self) -> dict[str, float]:
        """Megabytes now and at most."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = {name: re.search(rf"{name}:\s+(\d+)", text) for name in ("VmRSS", "VmHWM")}
        return {name: round(int(match[1]) / 1000, 1) for name, match in found.items() if match}

    def cpu(self) -> float:
        """Seconds of all cores."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def copies(data: Path, folder: Path, count: int) -> None:
    """Copy photos under new names, so that there are as many as asked for."""
    folder.mkdir()
    every = sorted((data / "Images").glob("*/*.jpg"))
    for number, photo in zip(range(count), itertools.cycle(every), strict=False):
        shutil.copy(photo, folder / f"{number:04d}.jpg")


def clicks(page: Page, ids: list[str], *, closely: bool = False) -> dict[str, float]:
    """Milliseconds from the request for a mask to its last byte, and of the server's processor."""
    took, cpu = [], 0.0
    for media in ids:
        size = json.loads(page.ask("POST", f"/api/photos/{media}/open"))
        points: list[list[float]] = []
        before = page.cpu()
        for number in range(CLICKS):
            share = (number + 1) / (CLICKS + 1)
            points.append([size["width"] * share, size["height"] * 0.5, int(number % 3 < 2)])
            began = time.perf_counter()
            body = {"drawing": {"points": points}, "closely": closely}
            page.ask("POST", f"/api/photos/{media}/outline", body)
            took.append(1000 * (time.perf_counter() - began))
        cpu += page.cpu() - before
    return spread(took) | {"cpu": round(1000 * cpu / len(took), 1)}


def clicks_beside_a_search(photos: Path, run: Path) -> dict[str, float]:
    """The same while the album is searched, on a server of its own."""
    page = Page(photos, run)
    try:
        ids = show(page)
        page.ask("POST", "/api/find", {})
        found = clicks(page, ids[:10])
        if page.session()["progress"]["status"] != "running":
            raise SystemExit("The search was over before the clicks were. Give more --photos.")
    finally:
        page.end()
    return {name: value for name, value in found.items() if name != "cpu"}


def show(page: Page) -> list[str]:
    """Wait for the model, and show an object by a box in the first photo; ids of all photos."""
    while page.session()["model"]["status"] == "loading":
        time.sleep(0.2)
    ids = [photo["id"] for photo in page.session()["photos"]]
    size = json.loads(page.ask("POST", f"/api/photos/{ids[0]}/open"))
    page.ask("POST", "/api/objects", {"name": "object"})
    width, height = size["width"], size["height"]
    box = [width * 0.2, height * 0.2, width * 0.8, height * 0.8]
    body = {"object": "object", "kind": "shown", "drawing": {"box": box}}
    page.ask("POST", f"/api/photos/{ids[0]}/mask", body)
    return ids


def spread(took: list[float]) -> dict[str, float]:
    """Least, median and 95th percentile."""
    found = {"least": min(took), "median": median(took), "p95": quantiles(took, n=20)[-1]}
    return {"n": len(took)} | {name: round(value, 1) for name, value in found.items()}


def find(page: Page) -> dict[str, float]:
    """Seconds from "find" to the first photo, and to the last, as an open page hears of them."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=3600)
    cookie = f"persam-token-{page.port}={TOKEN}"
    with contextlib.closing(connection):
        connection.request("GET", "/api/events", headers={"Cookie": cookie})
        events = connection.getresponse()
        began, cpu, first = time.perf_counter(), page.cpu(), 0.0
        page.ask("POST", "/api/find", {})
        while line := events.readline():
            if line.startswith(b"event: photo") and not first:
                first = time.perf_counter() - began
            if line.startswith(b"data: ") and b'"status": "done"' in line:
                break
    seconds = round(time.perf_counter() - began, 1)
    return {"first": round(first, 2), "seconds": seconds, "cpu": round(page.cpu() - cpu, 1)}


def command_line(line: str, out: Path) -> dict[str, float]:
    """Seconds of the command that does the same, into another folder; its start included."""
    import resource

    words = shlex.split(line)[1:]
    words[words.index("--out") + 1] = str(out)
    words[words.index("--cache") + 1] = str(out / "cache")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([*PERSAM, *words, "--quiet"], check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - began, 1), "cpu": round(cpu, 1)}


def in_the_browser(page: Page) -> dict[str, Any]:
    """Milliseconds from a click in the page to its drawn mask, and what the page takes."""
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return {"skipped": "no Chromium or no Playwright"}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(page.url)
        tab.locator(".grid .tile").first.wait_for()
        tools = tab.context.new_cdp_session(tab)
        tools.send("Performance.enable")
        tab.wait_for_timeout(5000)
        told = tools.send("Performance.getMetrics")["metrics"]
        metrics = {one["name"]: one["value"] for one in told}
        tab.evaluate("() => { window.location.hash = 'show'; }")
        tab.locator(".editor:not(.waiting) .viewport canvas").wait_for()
        canvas = tab.locator(".viewport canvas")
        box = canvas.bounding_box()
        for number in range(30):
            share = 0.3 + 0.4 * (number % 10) / 10
            canvas.click(position={"x": box["width"] * share, "y": box["height"] * 0.5})
            tab.wait_for_timeout(400)
            if number % 5 == 4:
                tab.keyboard.press("Escape")
        script = "() => performance.getEntriesByName('click-to-mask').map(one => one.duration)"
        took = tab.evaluate(script)
        browser.close()
    return {
        "click_to_mask_ms": spread(took),
        "grid_heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 1),
        "grid_nodes": int(metrics["Nodes"]),
    }


def measure(data: Path, count: int) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory() as place:
        photos, run = Path(place) / "photos", Path(place) / "run"
        copies(data, photos, count)
        page = Page(photos, run)
        try:
            ids = show(page)
            load = round(os.getloadavg()[0], 1)  # of what else the machine does
            found: dict[str, Any] = {
                "photos": count,
                "load": load,
                "click_ms": clicks(page, ids[:20]),
                "click_closely_ms": clicks(page, ids[:20], closely=True),
            }
            found["memory_after_clicks_mb"] = page.memory()
            found["find"] = find(page)
            found["memory_after_find_mb"] = page.memory()
            found["browser"] = in_the_browser(page)
            line = json.loads(page.ask("GET", "/api/commands"))["lines"][-1]
            found["click_beside_find_ms"] = clicks_beside_a_search(photos, Path(place) / "busy")
            found["command_line"] = command_line(line, Path(place) / "again")
        finally:
            page.end()
    for kind in ("seconds", "cpu"):
        share = found["find"][kind] / found["command_line"][kind]
        found[f"times_the_command_line_{kind}"] = round(share, 3)
    return found


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="a folder of photos in PerSeg's layout")
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--json", type=Path, help="write the figures there")
    told = parser.parse_args()
    text = json.dumps(measure(told.data, told.photos), indent=1)
    print(text)  # noqa: T201
    if told.json is not None:
        told.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
