from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app
from persam.cli.track_args import named_files
from persam.errors import InputError
from persam.io.writers import write_labels


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def text(result: Result) -> str:
    return " ".join(result.output.split())


def frame(index: int) -> np.ndarray:
    noise = np.random.default_rng(index).integers(0, 60, (48, 64, 3), dtype=np.uint8)
    noise[10:30, 10 + index : 30 + index] += 150
    return noise


def labels() -> np.ndarray:
    numbers = np.zeros((48, 64), dtype=np.uint8)
    numbers[10:30, 10:30] = 2
    numbers[35:45, 40:60] = 5
    return numbers


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(4):
        Image.fromarray(frame(index)).save(folder / f"{index:05d}.png")
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


@pytest.fixture
def masks(tmp_path: Path) -> dict[str, Path]:
    """Ways to show objects: an indexed PNG of two, a mask each, a picture with a mask."""
    write_labels(tmp_path / "both.png", labels())
    Image.fromarray((labels() == 2).astype(np.uint8) * 255).save(tmp_path / "dog.png")
    Image.fromarray((labels() == 5).astype(np.uint8) * 255).save(tmp_path / "cat.png")
    Image.fromarray(frame(0)).save(tmp_path / "photo.png")
    return {name: tmp_path / f"{name}.png" for name in ("both", "dog", "cat", "photo")}


@pytest.fixture
def model(tiny_sam_folder: Path) -> list[object]:
    return ["--model", tiny_sam_folder, "--device", "cpu"]


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.array(image)


def objects(out: Path) -> list[str]:
    lines = (out / "manifest.jsonl").read_text().splitlines()
    assert len(lines) == 4
    return list(json.loads(lines[0])["objects"])


def test_by_an_indexed_first_mask(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["track", clip, "--out", out, "--first-mask", masks["both"], *model]
    result = run(*words, "--save", "cutouts, coco")
    assert result.exit_code == 0, result.output
    assert "4 frames in" in text(result)
    assert "1 entry of the folder passed over, no pictures: .DS_Store" in text(result)
    assert np.array_equal(read(out / "masks" / "00000.png"), labels())  # numbers are kept
    assert objects(out) == ["2", "5"]
    assert len(list((out / "cutouts" / "5").iterdir())) == 4
    again = run(*words, "--save", "cutouts, coco")
    assert "4 frames done already" in text(again)
    other = run(*words, "--variant", "official")
    assert (other.exit_code, "another run: variant" in text(other)) == (2, True)
    assert run(*words, "--variant", "official", "--overwrite", "-q").output == ""


@pytest.mark.parametrize(
    "choices",
    [
        ("--method", method, "--variant", variant)
        for method in ("persam", "persam-f")
        for variant in ("default", "official")
    ],
)
def test_by_masks_by_name(
    clip: Path,
    masks: dict[str, Path],
    model: list[object],
    tmp_path: Path,
    choices: tuple[str, ...],
) -> None:
    out = tmp_path / "out"
    shown = ["--object", f"dog={masks['dog']}", "--object", f"cat={masks['cat']}"]
    result = run("track", clip, "--out", out, *shown, *model, *choices)
    assert result.exit_code == 0, result.output
    first = read(out / "masks" / "00000.png")
    assert np.array_equal(first == 1, labels() == 2)
    assert np.array_equal(first == 2, labels() == 5)
    assert objects(out) == ["dog", "cat"]


@pytest.mark.parametrize("variant", ["default", "official"])
def test_by_a_reference_in_another_picture(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path, variant: str
) -> None:
    out = tmp_path / "out"
    shown = ["--reference", masks["photo"], "--mask", masks["dog"], "--name", "rex"]
    result = run("track", clip, "--out", out, *shown, *model, "--variant", variant)
    assert result.exit_code == 0, result.output
    assert objects(out) == ["rex"]


def test_by_concept_files(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    for name in ("dog", "cat"):
        learnt = tmp_path / f"{name}.safetensors"
        done = run("learn", masks["photo"], "--mask", masks[name], "--out", learnt, *model)
        assert done.exit_code == 0, done.output
    words = [f"--concept={tmp_path / 'dog.safetensors'}", f"--concept=tom={learnt}"]
    result = run("track", clip, "--out", tmp_path / "out", *words, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert objects(tmp_path / "out") == ["dog", "tom"]
    unread = run("track", clip, "--out", tmp_path / "x", *words, "--method", "persam-f")
    assert (unread.exit_code, "--method would do nothing" in text(unread)) == (2, True)


def test_memory_needs_a_model_that_has_one(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    words = ["--first-mask", masks["dog"], "--variant", "memory", *model]
    result = run("track", clip, "--out", tmp_path / "out", *words)
    assert (result.exit_code, "SAM 2" in result.output) == (2, True), result.output


def test_bad_usage_is_one_line_and_code_2(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    out = ["--out", tmp_path / "out"]
    both = ["--first-mask", masks["both"]]
    reference = ["--reference", masks["photo"]]
    Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save(tmp_path / "small.png")
    for words, said in (
        ([clip, *out], "got none of them"),
        ([clip, *out, *both, "--object", f"a={masks['dog']}"], "got several of them"),
        ([clip, *out, *reference], "exactly one of --mask, --box and --point"),
        ([clip, *out, *both, "--mask", masks["dog"]], "--mask would do nothing"),
        ([clip, *out, *both, "--name", "rex"], "--name rex would do nothing"),
        ([clip, *out, "--object", masks["dog"]], "--object takes NAME=FILE"),
        ([clip, *out, "--object", f"a={masks['both']}"], "shows 2 objects, numbered 2, 5"),
        ([clip, *out, "--object", "a=x.png", "--object", "a=y.png"], "names 'a' twice"),
        ([clip, *out, "--object", f"a={masks['dog']}", "--name", "b"], "--name would do nothing"),
        ([clip, *out, "--first-mask", tmp_path / "small.png"], "9x9, but its picture is 64x48"),
        ([clip, *out, *both, "--save", "movies"], "got movies"),
        ([clip, *out, *both, "--fps", "0"], "above 0"),
        ([tmp_path / "gone.mp4", *out, *both], "gone.mp4 cannot be read"),
        ([clip, *out, *both[:1], masks["dog"], "--name", "a/b", *model], "part of file names"),
        ([clip, *out, *reference, "--box", "10,10,30,30", "--variant", "official", *model],
         "learn from a mask"),
    ):  # fmt: skip
        result = run("track", *words)
        assert (result.exit_code, said in text(result)) == (2, True), (said, result.output)
        assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_video_without_pyav_names_the_pip_line(
    masks: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"anything")
    words = [tmp_path / "clip.mp4", "--out", tmp_path / "out", "--first-mask", masks["dog"]]
    result = run("track", *words)
    assert (result.exit_code, "pip install 'persam[video]'" in text(result)) == (2, True)


def test_a_damaged_clip_is_tracked_told_of_and_code_1(
    masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    av = pytest.importorskip("av", reason="needs PyAV: pip install 'persam[video]'")
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "rgb24"
        for index in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(index), format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][2]
    data = bytearray(path.read_bytes())
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    words = ["--first-mask", masks["dog"], "--save", "overlay,alpha", *model]
    result = run("track", path, "--out", tmp_path / "out", *words)
    assert result.exit_code == 1, result.output
    assert "3 frames in" in text(result)
    assert "1 frame could not be decoded and left out" in text(result)
    assert (tmp_path / "out" / "overlay.mp4").is_file()


def test_names_and_files() -> None:
    assert named_files(["a/b.safetensors", "x=c=d"], "--concept", stem=True) == {
        "b": Path("a/b.safetensors"),
        "x": Path("c=d"),
    }
    for word in ("=a.png", "a="):
        with pytest.raises(InputError, match="takes NAME=FILE"):
            named_files([word], "--object")


def test_a_box_or_point_marks_the_clips_own_frame(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    words = ["track", clip, *model, "--box", "10,10,30,30"]
    result = run(*words, "--out", tmp_path / "a")
    assert result.exit_code == 0, result.output
    assert objects(tmp_path / "a") == ["object"]
    assert event(tmp_path / "a", 0) == "marked"
    result = run(*words, "--out", tmp_path / "b", "--at", "0.08", "--not-point", "60,2")
    assert result.exit_code == 0, result.output
    assert [event(tmp_path / "b", number) for number in (0, 2)] == ["", "marked"]
    for more, said in (
        (["--at", "7"], "ends before 7 s"),
        (["--at", "soon"], "--at takes a time as 12.5"),
    ):
        result = run(*words, "--out", tmp_path / "c", *more)
        assert (result.exit_code, said in text(result)) == (2, True), result.output
    result = run("track", clip, "--out", tmp_path / "c", "--first-mask", masks["dog"], "--at", "1")
    assert (result.exit_code, "--at would do nothing" in text(result)) == (2, True)


def test_a_keyframe_is_kept_and_changes_the_frames_round_it(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["track", clip, "--out", out, "--object", f"dog={masks['dog']}", *model]
    assert run(*words).exit_code == 0
    result = run(*words, "--keyframe", f"dog@2={masks['cat']}")
    assert result.exit_code == 0, result.output
    assert event(out, 2, "dog") == "marked"
    assert np.array_equal(read(out / "masks" / "00002.png") > 0, labels() == 5)
    for mark, said in (
        ("2", "--keyframe takes 120=mask.png"),
        ("2:line=3,4", "got 'line'"),
        ("2:not=3,4", "--keyframe takes"),
        ("9:point=3,4", "ends before frame 9"),
        (f"dog@2={masks['both']}", "shows 2 objects"),
    ):
        result = run(*words, "--keyframe", mark)
        assert (result.exit_code, said in text(result)) == (2, True), (mark, result.output)
        assert "Traceback" not in result.output


def event(out: Path, number: int, name: str = "object") -> str:
    lines = (out / "manifest.jsonl").read_text().splitlines()
    return json.loads(lines[number])["objects"][name]["event"]


def test_a_mark_of_a_frame_that_cannot_be_read_is_of_no_other(
    clip: Path, masks: dict[str, Path], model: list[object], tmp_path: Path
) -> None:
    """Frame 1 would be taken for the one that the mask of the first frame shows."""
    (clip / "00000.png").write_bytes(b"damaged")
    for words in (
        ("--first-mask", masks["dog"]),
        ("--object", f"dog={masks['dog']}"),
        ("--keyframe", f"1={masks['dog']}"),
        ("--box", "10,10,30,30"),
    ):
        result = run("track", clip, "--out", tmp_path / "out", *words, *model)
        assert result.exit_code == 2, (words, result.output)
        assert "00000.png is not a picture" in text(result)
        assert "Mend them or take them out" in text(result)
    result = run(
        "track", clip, "--out", tmp_path / "out", "--box", "10,10,30,30", "--at", "0.1", *model
    )
    assert result.exit_code == 1, result.output
