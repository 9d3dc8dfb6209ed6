from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import made_clips
import numpy as np
import pytest
from made_clips import ColourTracker, Made, make, picture, prediction, squares
from PIL import Image

from persam.errors import InputError
from persam.io.own_files import OWN_FILES
from persam.video.clip import open_clip
from persam.video.job import ClipSummary, TrackRequest, segment_clip
from persam.video.output_files import PRODUCTS, ClipOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EVERYTHING = frozenset(PRODUCTS) - {"soft", "png16", "exr"}
UNEVEN = (0, 1, 2, 5, 6, 12, 13, 20, 21, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six frames as pictures; needs no PyAV."""
    clip = tmp_path / "frames"
    clip.mkdir()
    for index in range(6):
        Image.fromarray(picture(index)).save(clip / f"{index:05d}.png")
    return clip


def search(
    objects: tuple[str, ...] = ("red", "blue"), settings: Mapping[str, Any] | None = None
) -> TrackRequest:
    return TrackRequest(objects, ColourTracker, settings=settings or {})


def counted(calls: list[int]) -> Callable[..., ColourTracker]:
    """The same tracker, which notes the frames that it looks at."""
    return lambda names: ColourTracker(names, calls)


def files(folder: Path) -> dict[str, bytes]:
    every = (path for path in folder.rglob("*") if path.is_file())
    paths = [path for path in every if path.name != OWN_FILES]  # in the order of what happened
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_masks_and_manifest_of_a_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[int] = []
    done = segment_clip(search(), open_clip(folder), out, lambda line: told.append(line.index))
    assert done == ClipSummary(6, 0, {"red": 6, "blue": 6}, done.damage, out)
    assert told == list(range(6))
    assert sorted(path.name for path in (out / "masks").iterdir()) == [
        f"{index:05d}.png" for index in range(6)
    ]
    wanted = squares(3, 48, 64)
    with Image.open(out / "masks" / "00003.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.array(image), wanted["red"] + 2 * wanted["blue"])
    line = lines(out)[3]
    assert (line["index"], line["name"], line["pts"], line["seconds"]) == (3, "00003", 3, 0.12)
    assert line["objects"]["red"] == {
        "present": True,
        "score": 0.75,
        "box": [10, 8, 24, 24],
        "likeness": 0.5,
        "area": 224,
        "doubt": 0.0,
        "reason": "",
        "event": "",
        "evidence": None,
        "region": None,
        "new_shot": False,
        "presence": None,
    }


def test_an_absent_object_is_said_to_be_absent(folder: Path, tmp_path: Path) -> None:
    for index in (2, 3):
        image = picture(index)
        image[squares(index, 48, 64)["red"]] = (40, 150, 60)
        Image.fromarray(image).save(folder / f"{index:05d}.png")
    out = ClipOutput(tmp_path / "out", EVERYTHING - {"alpha", "webm", "overlay"})
    done = segment_clip(search(), open_clip(folder), out)
    assert done.present == {"red": 4, "blue": 6}
    seen = lines(tmp_path / "out")[2]["objects"]["red"]
    assert (seen["present"], seen["score"], seen["box"]) == (False, 0, None)
    annotations = json.loads((tmp_path / "out" / "annotations.json").read_text())["annotations"]
    assert [(a["image_id"], a["category_id"]) for a in annotations].count((3, 1)) == 0
    assert len(annotations) == 10
    with Image.open(tmp_path / "out" / "cutouts" / "red" / "00002.png") as image:
        assert not np.array(image).any()


def test_everything_that_can_be_saved(tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mp4", Made(times=UNEVEN, sound="aac", options={"crf": "5"}))
    out = tmp_path / "out"
    segment_clip(search(), open_clip(path), ClipOutput(out, EVERYTHING))
    assert sorted(p.name for p in out.iterdir() if p.name != OWN_FILES) == [
        "alpha-blue.mov", "alpha-blue.webm", "alpha-red.mov", "alpha-red.webm",
        "annotations.json", "cutouts", "manifest.jsonl", "masks", "overlay.mp4", "review.json",
        "run.json",
    ]  # fmt: skip
    times = made_clips.seconds(path)
    for video in (*out.glob("alpha-*"), out / "overlay.mp4"):
        assert made_clips.seconds(video) == times, video.name
    assert [line["seconds"] for line in lines(out)] == [float(time) for time in times]
    assert open_clip(out / "overlay.mp4").has_sound
    assert not open_clip(out / "alpha-red.mov").has_sound
    with Image.open(out / "cutouts" / "blue" / "00004.png") as image:
        rgba = np.array(image)
    with Image.open(out / "masks" / "00004.png") as image:
        assert np.array_equal(rgba[..., 3] == 255, np.array(image) == 2)
    coco = json.loads((out / "annotations.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}]
    assert [image["file_name"] for image in coco["images"]][:2] == ["00000.png", "00001.png"]
    assert len(coco["annotations"]) == 20


def test_one_object_has_plain_names(tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mp4", Made(times=(0, 1)))
    segment_clip(search(("red",)), open_clip(path), ClipOutput(tmp_path, frozenset({"alpha"})))
    assert (tmp_path / "alpha.mov").is_file()


def test_coco_names_the_pictures_of_a_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "00000.png").unlink()
    Image.fromarray(picture(0)).save(folder / "00000.jpg")
    segment_clip(search(), open_clip(folder), ClipOutput(tmp_path, frozenset({"coco"})))
    images = json.loads((tmp_path / "annotations.json").read_text())["images"]
    assert images[0] == {"id": 1, "file_name": "00000.jpg", "width": 64, "height": 48}
    assert images[1]["file_name"] == "00001.png"


def test_a_run_goes_on_behind_its_last_frame(folder: Path, tmp_path: Path) -> None:
    out, calls = tmp_path / "out", []
    whole = tmp_path / "whole"
    segment_clip(search(), open_clip(folder), ClipOutput(whole, frozenset({"cutouts", "coco"})))

    def stop(line: Any) -> None:
        if line.index == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_clip(search(), open_clip(folder), out, stop)
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"index": 4, "na')  # as a kill leaves it
    again = TrackRequest(("red", "blue"), counted(calls))
    output = ClipOutput(out, frozenset({"cutouts", "coco"}))
    done = segment_clip(again, open_clip(folder), output)
    assert (done.frames, done.resumed) == (6, 4)
    assert calls == [4, 5]
    assert files(out) == files(whole)
    calls.clear()
    assert segment_clip(again, open_clip(folder), output).resumed == 6
    assert calls == []


def test_a_tracker_is_told_what_is_done(folder: Path, tmp_path: Path) -> None:
    made: list[ColourTracker] = []

    def tracker(names: Sequence[str]) -> ColourTracker:
        made.append(ColourTracker(names))
        return made[-1]

    task = TrackRequest(("red", "blue"), tracker)

    def stop(line: Any) -> None:
        if line.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_clip(task, open_clip(folder), tmp_path, stop)
    segment_clip(task, open_clip(folder), tmp_path)
    again = made[1]
    assert [line["red"].box for line in again.history] == [
        (4 + 2 * n, 8, 18 + 2 * n, 24) for n in range(3)
    ]
    assert (again.recalled, again.calls) == (2, [3, 4, 5])


def test_what_is_asked_for_later_is_made_from_the_masks(tmp_path: Path) -> None:
    clip = open_clip(make(tmp_path / "clip.mp4", Made(times=UNEVEN)))
    out, calls = tmp_path / "out", []
    task = TrackRequest(("red",), counted(calls))
    segment_clip(task, clip, out)
    assert len(calls) == 10
    segment_clip(task, clip, ClipOutput(out, frozenset({"alpha", "coco", "cutouts"})))
    assert len(calls) == 10
    assert made_clips.seconds(out / "alpha.mov") == made_clips.seconds(clip.path)
    assert len(list((out / "cutouts" / "red").iterdir())) == 10
    # A lost mask is found again, and that frame alone.
    (out / "masks" / "00007.png").unlink()
    calls.clear()
    assert segment_clip(task, clip, out).resumed == 9
    assert calls == [7]
    assert (out / "masks" / "00007.png").is_file()


@pytest.mark.parametrize("change", ["settings", "objects", "clip"])
def test_other_settings_are_refused_until_overwrite_is_said(
    folder: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "out"
    output = ClipOutput(out, frozenset({"cutouts", "coco"}))
    segment_clip(search(settings={"model": "a"}), open_clip(folder), output)
    other = search(settings={"model": "a"})
    if change == "settings":
        other = search(settings={"model": "b"})
    elif change == "objects":
        other = search(("red",), {"model": "a"})
    else:
        (folder / "00005.png").unlink()
    before = files(out)
    named = "model" if change == "settings" else change
    with pytest.raises(InputError, match=f"another run: {named}"):
        segment_clip(other, open_clip(folder), output)
    assert files(out) == before
    done = segment_clip(other, open_clip(folder), ClipOutput(out, overwrite=True))
    assert done.resumed == 0
    assert not (out / "annotations.json").exists()  # nothing of the old run is left
    assert not list((out / "cutouts").rglob("*.png"))
    assert len(list((out / "masks").iterdir())) == done.frames


def test_nothing_of_the_users_is_written_over(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "masks").mkdir(parents=True)
    (out / "masks" / "mine.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="is there already, and not from a run"):
        segment_clip(search(), open_clip(folder), out)
    clip = make(tmp_path / "overlay.mp4", Made(times=(0,)))
    frames = tmp_path / "shoot" / "masks"
    frames.parent.mkdir()
    folder.rename(frames)
    for path, where in ((clip, tmp_path), (frames, tmp_path / "shoot")):
        with pytest.raises(InputError, match="would be written over your"):
            segment_clip(search(), open_clip(path), ClipOutput(where, overwrite=True))
    protected = ClipOutput(tmp_path / "shoot", overwrite=True, protected=(frames / "00000.png",))
    with pytest.raises(InputError, match="would be written over your"):
        segment_clip(search(), open_clip(clip), protected)
    assert len(list(frames.iterdir())) == 6


def test_the_manifest_of_an_album_is_not_taken_for_ones_own(folder: Path, tmp_path: Path) -> None:
    text = json.dumps({"input": "a.jpg", "error": "x"}) + "\n"
    (tmp_path / "manifest.jsonl").write_text(2 * text)
    with pytest.raises(InputError, match="is there already, and not from a run"):
        segment_clip(search(), open_clip(folder), ClipOutput(tmp_path, overwrite=True))
    assert (tmp_path / "manifest.jsonl").read_text() == 2 * text


@pytest.mark.parametrize("name", ["a/b", "..", "", " a", "a:b", "x\n"])
def test_names_that_are_no_file_names(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name is part of file names"):
        segment_clip(search((name,)), open_clip(folder), tmp_path)
    with pytest.raises(InputError, match="more than case"):
        segment_clip(search(("Dog", "dog")), open_clip(folder), tmp_path)
    with pytest.raises(InputError, match="got movies"):
        ClipOutput(tmp_path, frozenset({"movies"}))


def test_overlapping_masks_are_an_error(folder: Path, tmp_path: Path) -> None:
    class Greedy(ColourTracker):
        def step(self, image: np.ndarray, number: int, marked: Any) -> Any:
            return dict.fromkeys(("red", "blue"), prediction(np.ones((48, 64), dtype=bool)))

    with pytest.raises(InputError, match="'blue' overlaps"):
        segment_clip(TrackRequest(("red", "blue"), Greedy), open_clip(folder), tmp_path)


def test_damage_is_reported_also_by_a_run_that_finds_all_done(tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mov", Made("png", "rgb24"))
    with made_clips.need_av().open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][4]
    data = bytearray(path.read_bytes())
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    for _ in range(2):
        done = segment_clip(search(), open_clip(path), tmp_path / "out")
        assert (done.frames, done.damage.lost) == (11, 1)


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from made_clips import ColourTracker
from persam.video.clip import open_clip
from persam.video.job import TrackRequest, segment_clip
from persam.video.output_files import PRODUCTS, ClipOutput

class Slow(ColourTracker):
    def step(self, image, number, marked):
        time.sleep(0.05)
        return super().step(image, number, marked)

output = ClipOutput(sys.argv[3], frozenset(PRODUCTS) - {"soft", "png16", "exr"})
segment_clip(TrackRequest(("red", "blue"), Slow), open_clip(sys.argv[2]), output)
"""


def test_a_killed_run_leaves_no_half_file_and_goes_on(tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mp4", Made(times=tuple(range(20)), sound="aac"))
    out, whole = tmp_path / "out", tmp_path / "whole"
    here = str(Path(made_clips.__file__).parent)
    command = [sys.executable, "-c", KILLED, here, str(path), str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(out.glob("masks/*.png"))) < 4 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = {p.name for p in out.iterdir() if not p.name.startswith(".persam")}
    assert left == {"masks", "cutouts", "manifest.jsonl", "run.json"}
    for mask in out.glob("masks/[0-9]*.png"):
        with Image.open(mask) as image:
            image.load()

    everything = ClipOutput(out, EVERYTHING)
    done = segment_clip(search(), open_clip(path), everything)
    assert 3 <= done.resumed < 20
    segment_clip(search(), open_clip(path), ClipOutput(whole, EVERYTHING))
    mine, theirs = files(out), files(whole)
    assert set(mine) == set(theirs)
    # A WebM has a random number of its own, and x264 decides a little differently each time.
    loose = {"alpha-red.webm", "alpha-blue.webm", "overlay.mp4"}
    for name in set(mine) - loose:
        assert mine[name] == theirs[name], name
    for name in loose:
        assert made_clips.seconds(out / name) == made_clips.seconds(whole / name)
        for one, other in zip(open_clip(out / name), open_clip(whole / name), strict=True):
            assert np.abs(one.image.astype(int) - other.image).mean() < 2, name


def test_soft_edges_in_every_form(tmp_path: Path) -> None:
    pytest.importorskip("pymatting", reason="needs pymatting: pip install 'persam[matting]'")
    made = Made(times=(0, 2, 3), options={"crf": "5"})
    clip = open_clip(make(tmp_path / "clip.mp4", made))
    out = tmp_path / "out"
    done = segment_clip(
        search(("red",)), clip, ClipOutput(out, frozenset({"soft", "png16", "exr"}))
    )
    assert done.frames == 3
    assert made_clips.seconds(out / "soft.mov") == made_clips.seconds(clip.path)
    av = made_clips.need_av()
    for name, number in (("png16/red/00001.png", 65535), ("exr/red/00001.exr", 1)):
        with av.open(str(out / name)) as container:
            (frame,) = container.decode(video=0)
            if number == 1:
                assert frame.format.name == "gbrapf32le"
                alpha = np.frombuffer(bytes(frame.planes[3]), "<f4").reshape(48, -1)[:, :64]
            else:
                alpha = frame.to_ndarray(format="rgba64le")[..., 3]
        mask = squares(1, 48, 64)["red"]
        assert np.mean((alpha > number / 2) == mask) > 0.97
        assert alpha[14:18, 10:16].min() == number


def test_an_exr_of_wide_colours_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pymatting", reason="needs pymatting: pip install 'persam[matting]'")
    made = Made("ffv1", "yuv444p10le", space="BT2020", times=(0,))
    clip = open_clip(make(tmp_path / "wide.mkv", made))
    with pytest.raises(InputError, match="another kind than sRGB"):
        segment_clip(search(("red",)), clip, ClipOutput(tmp_path / "o", frozenset({"exr"})))
