"""A page on drawn photos: in this process, and in its own for browsers and sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import persam

PHOTOS = Path(persam.__file__).parent / "samples" / "pictures" / "Images" / "plush_dog"
MASKS = Path(persam.__file__).parent / "samples" / "pictures" / "Annotations" / "plush_dog"
TOKEN = "a-token-for-the-tests"  # noqa: S105
HOST = "127.0.0.1:8000"


@dataclass
class Page:
    """A session, and a client that asks as the page does."""

    session: Any
    client: Any

    def photo(self, name: str) -> dict[str, Any]:
        told = self.client.get("/api/session").json()["photos"]
        return next(photo for photo in told if photo["name"] == name)

    def id(self, name: str) -> str:
        return self.photo(name)["id"]

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(path, json=body)

    def show(self, name: str, box: list[int]) -> None:
        """Show the dog by a box, under an object of that name."""
        self.post("/api/objects", {"name": "dog"})
        body = {"object": "dog", "kind": "shown", "drawing": {"box": box}}
        answer = self.post(f"/api/photos/{self.id(name)}/mask", body)
        assert answer.status_code == 200, answer.text

    def find(self) -> None:
        assert self.post("/api/find", {}).status_code == 200
        self.session.job.wait(120)
        assert self.session.job.progress.status == "done", self.session.job.progress


def open_page(folder: Path, run: Path, **options: Any) -> Page:
    from starlette.testclient import TestClient

    from persam.app.server import create_app
    from persam.app.session import AppOptions, Session

    session = Session(AppOptions(run=run, folder=folder, **options))
    app = create_app(session, hosts=frozenset({HOST}), token=TOKEN)
    client = TestClient(app, base_url=f"http://{HOST}", headers={"origin": f"http://{HOST}"})
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return Page(session, client)


def write_clip(path: Path, frames: int = 10) -> None:
    """A short clip: the dog of 00.jpg walks to the right."""
    import av
    from PIL import Image

    photo = Image.open(PHOTOS / "00.jpg").resize((320, 240))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = (
            320,
            240,
            "yuv420p",
            4_000_000,
        )
        for number in range(frames):
            moved = photo.transform(
                (320, 240), Image.Transform.AFFINE, (1, 0, -4 * number, 0, 1, 0)
            )
            container.mux(stream.encode(av.VideoFrame.from_image(moved)))
        container.mux(stream.encode())


class Server:
    """`persam app` in a process of its own."""

    def __init__(self, folder: Path, run: Path, *options: str) -> None:
        command = [sys.executable, "-c", "from persam.cli import main; main()", "app"]
        command += [str(folder), "--out", str(run), "--no-browser", "--token", TOKEN, *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=dict(os.environ), cwd=folder.parent
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\S+", line)
        assert found, f"the page's address was not printed: {line!r}"
        self.url, self.port = found.group(0), int(found.group(1))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._close()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:  # a machine that is busy elsewhere
            self.process.kill()
            code = self.process.wait()
        self._close()
        return code

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
