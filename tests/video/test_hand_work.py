"""What a person changed or put among a clip's results stays, whatever is run into the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from made_clips import ColourTracker, picture
from PIL import Image

from persam.errors import InputError
from persam.io.own_files import OWN_FILES
from persam.video.clip import open_clip
from persam.video.job import TrackRequest, segment_clip
from persam.video.output_files import ClipOutput

if TYPE_CHECKING:
    from pathlib import Path

PRODUCTS = frozenset({"cutouts", "coco"})
REQUEST = TrackRequest(("red", "blue"), ColourTracker)
RESULTS = ("masks/00001.png", "cutouts/red/00001.png", "annotations.json", "review.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clip = tmp_path / "frames"
    clip.mkdir()
    for index in range(4):
        Image.fromarray(picture(index)).save(clip / f"{index:05d}.png")
    return clip


def run(folder: Path, out: Path, **choices: Any) -> Any:
    return segment_clip(REQUEST, open_clip(folder), ClipOutput(out, PRODUCTS, **choices))


@pytest.mark.parametrize("name", RESULTS)
def test_what_a_person_changed_is_not_deleted_by_overwrite(folder, tmp_path, name) -> None:
    out = tmp_path / "out"
    run(folder, out)
    mended = (out / name).read_bytes() + b" "
    (out / name).write_bytes(mended)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    run(folder, out)
    assert (out / name).read_bytes() == mended
    with pytest.raises(InputError, match=r"1 files would be lost .*--overwrite-hand-work"):
        run(folder, out, overwrite=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    run(folder, out, overwrite=True, overwrite_hand_work=True)
    assert (out / name).read_bytes() == mended[:-1]


@pytest.mark.parametrize("name", RESULTS)
def test_what_persam_did_not_write_is_not_replaced(folder, tmp_path, name) -> None:
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(b"a person's")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is there already, and not from a run"):
            run(folder, out, overwrite=overwrite)
        assert (out / name).read_bytes() == b"a person's"
    run(folder, out, overwrite_hand_work=True)
    assert (out / name).read_bytes() != b"a person's"


def test_a_mask_that_is_put_in_the_way_of_a_stopped_run_stays(folder, tmp_path) -> None:
    out = tmp_path / "out"

    def stop(line: Any) -> None:
        if line.index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_clip(REQUEST, open_clip(folder), out, stop)
    (out / "masks" / "00003.png").write_bytes(b"a person's")
    with pytest.raises(InputError, match=r"00003\.png would be replaced, which persam did not"):
        segment_clip(REQUEST, open_clip(folder), out)
    assert (out / "masks" / "00003.png").read_bytes() == b"a person's"


def test_a_folder_without_its_list_of_files_is_begun_anew_all_the_same(folder, tmp_path) -> None:
    out = tmp_path / "out"
    run(folder, out)
    (out / OWN_FILES).unlink()
    assert run(folder, out).resumed == 4
    assert run(folder, out, overwrite=True).resumed == 0


def test_a_run_that_is_killed_before_its_first_line_goes_on(folder, tmp_path, monkeypatch) -> None:
    out = tmp_path / "out"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("persam.video.clip_state.ClipState._write_lines", killed)
        run(folder, out)
    assert run(folder, out).frames == 4
