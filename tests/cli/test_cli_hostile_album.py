"""Albums of strange names and of what is no file, and such things in the place of other inputs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from typer.testing import CliRunner

from persam import samples
from persam.cli import app

if TYPE_CHECKING:
    from click.testing import Result


NAMES = (
    *(b"\x1b]0;owned\x07\x1b[2J.jpg", "a\u202egpj.exe\x9b31m.jpg".encode()),
    *(b"bad\xff\xfe\n[bold]x.jpg", b"-b\\s.jpg", b"C:x.jpg"),
)
SECONDS = 20  # until a command counts as hanging
# Orders to a terminal but for colours, and marks that turn the direction of writing.
ORDERS = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e]|\x1b(?!\\[[0-9;]*m)")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, tiny_sam_folder: Path) -> Path:
    """A photo, its mask, a concept, and an album that nobody would wish for."""
    desk = tmp_path_factory.mktemp("desk")
    samples.copy(desk / "all")
    for name, path in zip(("0.jpg", "0.png"), samples.files(desk / "all", 0), strict=True):
        with Image.open(path) as image:
            image.resize((64, 48), Image.Resampling.NEAREST).save(desk / name)
    album = desk / "album"
    album.mkdir()
    for name in NAMES:
        shutil.copy(desk / "0.jpg", os.fsencode(album) + b"/" + name)
    special(album)
    (desk / "model").symlink_to(tiny_sam_folder)
    # Of two, so that whether it is in a photo can be told.
    learn = "learn {photo} --mask {mask} --also {photo}:{mask} --model {model} --out {concept}"
    done = run(*words(learn, desk, desk))
    assert done.exit_code == 0, done.output
    return desk


def special(folder: Path) -> None:
    """Put into a folder what is called like a photo and is none."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path is short
        server.bind("socket.jpg")
        os.chdir(here)


def run(*words: object) -> Result:
    def hang(*_: object) -> None:
        raise AssertionError(f"{words[0]} hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        return CliRunner().invoke(app, [str(word) for word in words])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


COMMANDS = {
    "segment": "segment {album} --concept {concept} --out {out} --save masks,overlays,sheet,coco",
    "find": "find {album} --concept {concept}",
    "index": "index {album} --model {model} --out {out}",
    "track": "track {album} --first-mask {mask} --model {model} --out {out}",
    "prepare": "dreambooth prepare {album} --reference {photo} --mask {mask} --resolution 64"
    " --model {model} --out {out}",
    "doctor": "doctor {photo}:{mask} {photo}:{mask} --album {album} --model {model}",
    "merge": "merge {album} --into {out}",
    "convert": "convert {album} --to coco --out {out}",
}


def words(command: str, desk: Path, out: Path, **places: object) -> list[str]:
    known = {
        "desk": desk,
        "model": desk / "model",
        "album": desk / "album",
        "concept": desk / "c.safetensors",
        "out": out,
    }
    known |= {"photo": desk / "0.jpg", "mask": desk / "0.png", **places}
    return [word.format(**known) for word in command.split()]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_album_of_strange_names_and_of_no_files(desk: Path, tmp_path: Path, name: str) -> None:
    if name == "index":
        pytest.importorskip("pyarrow")
    done = run(*words(COMMANDS[name], desk, tmp_path / "out"))
    assert not isinstance(done.exception, Exception), done.exception
    assert not ORDERS.search(done.output), ORDERS.search(done.output)
    assert done.exit_code in (0, 1, 2)


def test_photos_of_strange_names_are_done_once(desk: Path, tmp_path: Path) -> None:
    again = words(COMMANDS["segment"], desk, tmp_path)
    run(*again)
    masks = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert len(masks) == len(NAMES)
    run(*again)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")} == masks


INPUTS = {
    "concept": "segment {photo} --concept {it} --out {out}",
    "second concept": "find {photo} --concept a={concept} --concept b={it}",
    "photo": "explain {it} --concept {concept} --out {out}.html",
    "reference": "learn {it} --mask {mask} --out {out}.safetensors",
    "mask": "learn {photo} --mask {it} --out {out}.safetensors",
    "replaced concept": "learn {photo} --mask {mask} --out {it}",
    "labels": "convert {it} --to yolo --out {out}",
    "learnt labels": "learn {it} --images {album} --out {out}.safetensors",
    "clip": "track {it} --first-mask {mask} --out {out}",
    "first mask": "track {album} --first-mask {it} --out {out}",
    "model": "learn {photo} --mask {mask} --model {it} --out {out}.safetensors",
    "matcher": "learn {photo} --mask {mask} --match-with {it} --out {out}.safetensors",
    "plugin": "learn {photo} --mask {mask} --plugin {it} --out {out}.safetensors",
    "report": "report {it} --out {out}.md",
    "replaced report": "evaluate perseg {album} --json {it} --out {out}",
    "run": "review {it} --concept {concept} --photos {album}",
    "corrected": "correct {it} {photo} --masks {desk} --out {out}.safetensors",
    "index": "find --index {it} --concept {concept}",
    "tar": "segment {it} --concept {concept} --out {out}.tar",
    "pairs": "train stable {it} --model pocket --out {out}",
    "background": "segment {photo} --concept {concept} --save cutouts --background {it}"
    " --out {out}",
}


@pytest.mark.parametrize("kind", ["pipe", "zero"])
@pytest.mark.parametrize("name", INPUTS)
def test_what_is_no_file_is_refused_wherever_a_file_is_asked_for(
    desk: Path, tmp_path: Path, name: str, kind: str
) -> None:
    suffix = {"labels": ".json", "learnt labels": ".json", "model": ".pth", "clip": ".mp4"}
    suffix |= {"index": ".parquet", "tar": ".tar", "pairs": ".tar"}
    it = tmp_path / f"it{suffix.get(name, '.safetensors')}"
    if kind == "pipe":
        os.mkfifo(it)
    else:
        it.symlink_to("/dev/zero")
    done = run(*words(INPUTS[name], desk, tmp_path / "out", it=it))
    assert done.exit_code in (1, 2), done.output
    assert isinstance(done.exception, SystemExit), done.exception
    assert it.name in done.output
