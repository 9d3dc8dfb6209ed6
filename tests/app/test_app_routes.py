"""What the page asks for, from the first click to what is taken away; all of it is on the disk."""

from __future__ import annotations

import base64
import shutil
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
import pytest
from app_page import MASKS, PHOTOS, open_page, write_clip
from PIL import Image

from persam.album.run import fingerprint
from persam.concept import Concept
from persam.io.labels import read_label_set
from persam.io.masks import read_labels, read_mask
from persam.metrics import iou

if TYPE_CHECKING:
    from pathlib import Path

    from app_page import Page

BOX = [190, 50, 440, 460]  # round the dog in 00.jpg


def png(layer: np.ndarray) -> str:
    buffer = BytesIO()
    Image.fromarray(layer).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array(Image.open(BytesIO(answer.content)))


def outline(page: Page, name: str, **drawing) -> np.ndarray:
    return pixels(page.post(f"/api/photos/{page.id(name)}/outline", {"drawing": drawing})) > 0


def test_a_click_gives_the_mask_of_what_it_is_on(page: Page):
    truth = read_mask(MASKS / "00.png", (480, 640)) > 0
    for x, y in ((320, 240), (330, 350), (300, 150)):
        clicked = outline(page, "00.jpg", points=[[x, y, 1]])
        assert clicked.shape == truth.shape
        assert clicked[y, x]
        assert (clicked & truth).sum() > 0.8 * clicked.sum()


def test_a_click_at_the_far_edge_is_answered(page: Page):
    at = f"/api/photos/{page.id('00.jpg')}/outline"
    for closely in (False, True):
        drawing = {"points": [[640, 480, 1]]}
        pixels(page.post(at, {"drawing": drawing, "closely": closely}))


def test_a_box_gives_the_mask_of_what_is_in_it(page: Page):
    truth = read_mask(MASKS / "00.png", (480, 640)) > 0
    assert iou(outline(page, "00.jpg", box=BOX), truth) > 0.7


def test_a_small_thing_is_outlined_at_once_and_then_more_finely(page: Page):
    """What is kept is the finer mask, also of a person who did not wait for it."""
    at, drawing = f"/api/photos/{page.id('00.jpg')}", {"box": [300, 100, 380, 180]}
    answers = [
        page.post(f"{at}/outline", {"drawing": drawing, "closely": closely})
        for closely in (False, True)
    ]
    assert [one.headers["x-closer"] for one in answers] == ["1", "0"]
    quick, finer = (pixels(one) > 0 for one in answers)
    assert 0.3 < iou(quick, finer) < 1
    page.post("/api/objects", {"name": "eye"})
    kept = page.post(f"{at}/mask", {"object": "eye", "kind": "shown", "drawing": drawing})
    assert kept.status_code == 200, kept.text
    assert np.array_equal(page.session.masks(page.session.photo(page.id("00.jpg")))["eye"], finer)


def test_the_brush_adds_and_erases_over_any_answer(page: Page):
    layer = np.zeros((48, 64), dtype=np.uint8)  # of a tenth of the photo's side
    layer[:4, :4], layer[20:30, 25:35] = 1, 2
    plain = outline(page, "00.jpg", box=BOX)
    painted = outline(page, "00.jpg", box=BOX, paint=png(layer))
    assert painted[:40, :40].all()
    assert not painted[200:300, 250:350].any()
    away = np.ones_like(plain)
    away[:40, :40] = away[200:300, 250:350] = False
    assert np.array_equal(painted[away], plain[away])


def test_paint_alone_is_a_mask(page: Page):
    layer = np.zeros((480, 640), dtype=np.uint8)
    layer[100:200, 100:200] = 1
    assert np.array_equal(outline(page, "00.jpg", paint=png(layer)), layer == 1)


def test_what_is_shown_is_found_in_the_other_photos(page: Page):
    page.show("00.jpg", BOX)
    page.find()
    for name in ("01.jpg", "02.jpg"):
        told = page.photo(name)
        assert told["found"]["dog"]["presence"] > 0.5
        labels = pixels(page.client.get(f"/api/photos/{told['id']}/labels?side=1024"))
        truth = read_mask(MASKS / name.replace("jpg", "png"), (480, 640)) > 0
        assert iou(labels == 1, truth) > 0.5
    assert page.photo("00.jpg")["marks"] == {"dog": {"kind": "shown", "learnt": False}}


def test_a_second_page_on_the_same_folder_knows_everything(page: Page, album: Path):
    page.show("00.jpg", BOX)
    page.find()
    before = page.client.get("/api/session").json()
    again = open_page(album, page.session.run).client.get("/api/session").json()
    assert again["photos"] == before["photos"]
    assert again["objects"] == before["objects"]


def test_the_command_line_goes_on_where_the_page_was(page: Page):
    """Its lines learn the same concept and search into the same folder.

    With another number of threads the command line rounds differently from the page; what is
    learnt again is the same all the same, and is done already.
    """
    import shlex

    import torch
    from typer.testing import CliRunner

    from persam.cli import app

    page.show("00.jpg", BOX)
    page.find()
    before = {path.name: path.read_bytes() for path in page.session.run.glob("*.png")}
    file = page.session.run / "concepts" / "dog.safetensors"
    learnt = fingerprint(Concept.load(file, page.session.model.clicks))
    lines = page.client.get("/api/commands").json()["lines"]
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "persam"
        torch.set_num_threads(2)  # rounds differently from the page's one
        try:
            result = CliRunner().invoke(app, words[1:])
        finally:
            torch.set_num_threads(1)
        assert result.exit_code == 0, result.output
    assert fingerprint(Concept.load(file, page.session.model.clicks)) == learnt
    assert "skipped, done already" in result.output
    assert "2 photos" in result.output  # done already, by the page
    assert "1 mask changed by hand, kept" in result.output
    after = {p.name: p.read_bytes() for p in page.session.run.glob("*.png")}
    assert after == before


def test_corrections_stay_and_teach_when_asked(page: Page):
    page.show("00.jpg", BOX)
    page.find()
    layer = np.where(read_mask(MASKS / "01.png", (480, 640)) > 0, 1, 2).astype(np.uint8)
    photo = page.id("01.jpg")
    body = {"object": "dog", "kind": "corrected", "drawing": {"paint": png(layer)}}
    assert page.post(f"/api/photos/{photo}/mask", body).status_code == 200
    mended = layer == 1
    assert np.array_equal(read_labels(page.session.run / "01.png", (480, 640)) == 1, mended)
    references = len(page.session.model.maker.concept(page.session.named("dog")).references)
    assert page.client.get("/api/session").json()["unlearnt"] == 1

    assert page.post("/api/find", {"improve": True}).json() == {"learnt": 1}
    page.session.job.wait(120)
    assert page.session.job.progress.status == "done"
    assert page.photo("01.jpg")["marks"]["dog"] == {"kind": "corrected", "learnt": True}
    taught = page.session.model.maker.concept(page.session.named("dog"))
    assert len(taught.references) == references + 1
    assert np.array_equal(read_labels(page.session.run / "01.png", (480, 640)) == 1, mended)


def test_not_here_clears_the_mask_and_can_be_taken_back(page: Page):
    page.show("00.jpg", BOX)
    page.find()
    photo = page.id("01.jpg")
    page.post(f"/api/photos/{photo}/verdict", {"object": "dog", "kind": "absent"})
    assert page.client.get(f"/api/photos/{photo}/labels?side=320").status_code == 204
    assert not read_labels(page.session.run / "01.png", (480, 640)).any()
    page.post(f"/api/photos/{photo}/verdict", {"object": "dog", "kind": "none"})
    assert page.photo("01.jpg")["marks"] == {}
    page.find()
    assert pixels(page.client.get(f"/api/photos/{photo}/labels?side=320")).any()


def test_two_objects_are_told_apart_in_one_photo(page: Page):
    page.show("00.jpg", BOX)
    page.post("/api/objects", {"name": "floor"})
    body = {"object": "floor", "kind": "shown", "drawing": {"box": [10, 300, 180, 470]}}
    assert page.post(f"/api/photos/{page.id('00.jpg')}/mask", body).status_code == 200
    page.find()
    labels = pixels(page.client.get(f"/api/photos/{page.id('00.jpg')}/labels?side=1024"))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert set(page.photo("01.jpg")["found"]) == {"dog", "floor"}


def test_what_is_taken_away_is_what_was_accepted(page: Page):
    page.show("00.jpg", BOX)
    page.find()
    page.post(f"/api/photos/{page.id('02.jpg')}/verdict", {"object": "dog", "kind": "wrong"})
    wanted = ["masks", "cutouts", "overlays", "photos", "concepts", "coco", "yolo"]
    body = {"products": wanted, "min_presence": 0.3, "name": "mine", "edges": "hard"}
    answer = page.post("/api/export", body)
    assert answer.status_code == 200, answer.text
    page.session.job.wait(60)
    folder = page.session.run / "exports" / "mine"
    for kind, suffix in (
        ("masks", "png"),
        ("cutouts", "png"),
        ("overlays", "jpg"),
        ("photos", "jpg"),
    ):
        assert sorted(p.name for p in (folder / kind).iterdir()) == [f"00.{suffix}", f"01.{suffix}"]
    assert (folder / "photos" / "01.jpg").read_bytes() == (PHOTOS / "01.jpg").read_bytes()
    mask = read_mask(folder / "masks" / "01.png", (480, 640)) > 0
    cut = np.array(Image.open(folder / "cutouts" / "01.png"))
    assert cut.shape[2] == 4
    assert cut.shape[0] < 480
    tight = np.argwhere(mask).max(axis=0) - np.argwhere(mask).min(axis=0) + 1
    assert (np.array(cut.shape[:2]) >= tight).all()
    (truth,) = read_label_set(folder / "coco").of_class("dog")[1:]
    assert iou(truth[1].mask, mask) > 0.97  # polygons, of at most a pixel off
    assert truth[1].origin.by == "model"
    concept = Concept.load(folder / "dog.safetensors", page.session.model.clicks)
    assert concept.variant.min_presence == 0.3
    assert (
        page.post(
            "/api/export", {"products": wanted, "min_presence": 0.3, "name": "mine"}
        ).status_code
        == 400
    )


def test_what_was_taken_away_is_one_zip_file(page: Page):
    page.show("00.jpg", BOX)
    body = {"products": ["masks", "photos"], "min_presence": 0.3, "name": "für Oma"}
    assert page.post("/api/export", body).status_code == 200
    page.session.job.wait(60)
    assert page.client.get("/api/exports").json() == {"names": ["für Oma"]}
    (page.session.run / "exports" / "für Oma" / "secret").symlink_to(PHOTOS / "01.jpg")
    answer = page.client.get("/api/exports/für Oma")
    assert "f%C3%BCr%20Oma.zip" in answer.headers["content-disposition"]
    with ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["commands.txt", "masks/00.png", "photos/00.jpg"]
        assert archive.read("photos/00.jpg") == (PHOTOS / "00.jpg").read_bytes()
    (page.session.run / "exports" / "out").symlink_to(PHOTOS)
    for name in ("out", "none", "..", "%2e%2e", "..%2fapp.json"):
        assert page.client.get(f"/api/exports/{name}").status_code == 404


def test_a_search_is_stopped_and_goes_on(page: Page):
    page.show("00.jpg", BOX)
    page.session.model  # noqa: B018  (waits until it is loaded)
    page.post("/api/find", {})
    page.post("/api/cancel")
    page.session.job.wait(60)
    stopped = page.session.job.progress
    assert stopped.status in ("stopped", "done")
    page.find()
    assert page.session.job.progress.skipped >= stopped.done - stopped.skipped


def test_photos_that_are_dropped_on_the_page_join_the_album(page: Page):
    data = (PHOTOS / "03.jpg").read_bytes()
    answer = page.client.post("/api/uploads?name=../../etc/new%20photo.jpg", content=data)
    assert answer.status_code == 200, answer.text
    assert (page.session.run / "uploads" / "new photo.jpg").read_bytes() == data
    assert page.photo("new photo.jpg")["id"] == answer.json()["id"]
    again = page.client.post("/api/uploads?name=new%20photo.jpg", content=data)
    assert again.json()["id"] != answer.json()["id"]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# A PNG of 60,000 times 60,000 pixels in 100 bytes.
BOMB = b"\x89PNG\r\n\x1a\n" + b"".join(
    (
        chunk(b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(bytes(1000))),
        chunk(b"IEND", b""),
    )
)
DAMAGED = [b"", b"no picture", (PHOTOS / "03.jpg").read_bytes()[:5000], BOMB]


@pytest.mark.parametrize("data", DAMAGED, ids=["empty", "text", "cut off", "bomb"])
def test_damaged_uploads_are_refused_and_leave_nothing(page: Page, data: bytes):
    answer = page.client.post("/api/uploads?name=broken.jpg", content=data)
    assert answer.status_code == 400
    assert "broken.jpg" in answer.json()["error"]
    uploads = page.session.run / "uploads"
    assert not uploads.exists() or not list(uploads.iterdir())


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("outline", {"drawing": {"points": [[1, 2, 3]]}}, "points"),
        ("outline", {"drawing": {"points": [[9999, 5, 1]]}}, "inside the 640x480 photo"),
        ("outline", {"drawing": {"box": [50, 50, 50, 90]}}, "x0 < x1"),
        ("outline", {"drawing": {"points": [[1, 2, 1]] * 201}}, "200"),
        ("outline", {"drawing": {"paint": "no base64!"}}, "damaged"),
        ("outline", {"drawing": {"paint": base64.b64encode(b"no picture").decode()}}, "damaged"),
        ("outline", {"drawing": {}, "more": 1}, "more"),
        ("mask", {"object": "dog", "kind": "shown", "drawing": {}}, "Nothing is marked"),
        ("mask", {"object": "cat", "kind": "shown", "drawing": {"box": BOX}}, "no object"),
        ("verdict", {"object": "dog", "kind": "perhaps"}, "kind"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_reason(page: Page, path, body, told):
    page.post("/api/objects", {"name": "dog"})
    answer = page.post(f"/api/photos/{page.id('00.jpg')}/{path}", body)
    assert 400 <= answer.status_code < 500
    assert told in answer.json()["error"]


def test_finding_before_showing_says_what_to_do(page: Page):
    answer = page.post("/api/find", {})
    assert answer.status_code == 400
    assert "Show an object first" in answer.json()["error"]


def test_a_clip_is_clicked_in_tracked_and_put_right(page: Page, album: Path):
    pytest.importorskip("av")
    write_clip(album / "walk.mp4")
    (clip,) = page.client.get("/api/session").json()["clips"]
    assert not page.post(f"/api/clips/{clip['id']}/open").json()["ready"]
    page.session.job.wait(60)
    told = page.client.get(f"/api/clips/{clip['id']}").json()
    assert (told["ready"], told["frames"], told["lines"]) == (True, 10, [])

    page.post("/api/objects", {"name": "dog"})
    frame = f"{clip['id']}-0"
    half = [edge // 2 for edge in BOX]
    body = {"object": "dog", "kind": "shown", "drawing": {"box": half}}
    assert page.post(f"/api/photos/{frame}/mask", body).status_code == 200
    page.post(f"/api/clips/{clip['id']}/track", {"products": []})
    page.session.job.wait(120)
    told = page.client.get(f"/api/clips/{clip['id']}").json()
    assert [line["index"] for line in told["lines"]] == list(range(10))
    assert all(line["objects"]["dog"]["present"] for line in told["lines"])
    first = told["lines"][0]["objects"]["dog"]
    assert (first["doubt"], first["reason"], first["event"], first["review"]) == (
        0,
        "",
        "marked",
        False,
    )
    truth = read_mask(MASKS / "00.png", (480, 640))[::2, ::2] > 0
    moved = np.roll(truth, 4 * 6, axis=1)
    labels = pixels(page.client.get(f"/api/photos/{clip['id']}-6/labels?side=1024"))
    assert iou(labels == 1, moved) > 0.6

    layer = np.where(moved, 1, 2).astype(np.uint8)
    body = {"object": "dog", "kind": "corrected", "drawing": {"paint": png(layer)}}
    assert page.post(f"/api/photos/{clip['id']}-6/mask", body).status_code == 200
    mended = pixels(page.client.get(f"/api/photos/{clip['id']}-6/labels?side=1024"))
    assert np.array_equal(mended == 1, moved)
    assert page.client.get(f"/api/photos/{clip['id']}-99/picture?side=320").status_code == 404


def test_a_moved_album_keeps_what_was_said(page: Page, album: Path, tmp_path: Path):
    page.show("00.jpg", BOX)
    page.session.close()
    moved = tmp_path / "elsewhere"
    shutil.move(album, moved)
    again = open_page(moved, page.session.run)
    assert again.photo("00.jpg")["marks"]["dog"]["kind"] == "shown"
    again.session.close()
