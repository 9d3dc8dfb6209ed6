"""What a run finds of earlier ones: hand work, stopped runs, moved albums, other people's files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.run import Output, segment_album
from persam.concept import Concept
from persam.errors import InputError
from persam.io.cutouts import CutoutStyle
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.runs import locked

HARD = CutoutStyle("hard")


@pytest.fixture(scope="module")
def concepts(tiny_sam_folder: Path) -> tuple[Concept, Concept]:
    """Two objects whose masks differ."""
    backbone = load(tiny_sam_folder, device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    mask = np.zeros((48, 64), dtype=bool)
    mask[8:30, 10:40] = True
    first = personalize(backbone, image, mask=mask)
    (view,) = first.references
    other = replace(view, target_embedding=view.target_embedding * -3)
    return first, replace(first, references=(other,))


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for number in range(4):
        path = tmp_path / "album" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number + 1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return tmp_path / "album"


def photos(album: Path) -> list[Path]:
    return sorted(album.glob("*.png"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def by_hand(path: Path) -> bytes:
    """A person draws another mask in place of this one."""
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[5:9, 20:30] = 255
    Image.fromarray(mask).save(path)
    return path.read_bytes()


def test_a_mask_changed_by_hand_is_never_replaced(concepts, album, tmp_path):
    out, (first, second) = tmp_path / "out", concepts
    segment_album(first, photos(album), Output(out, frozenset({"cutouts"}), style=HARD))
    drawn = by_hand(out / "1.png")
    for concept, output in (
        (first, Output(out)),
        (second, Output(out)),
        (second, Output(out, overwrite=True)),
        (second, Output(out, frozenset({"cutouts", "overlays", "sheet"}), style=HARD)),
    ):
        summary = segment_album(concept, photos(album), output)
        assert (out / "1.png").read_bytes() == drawn
        assert [record.input for record in summary.by_hand] == [str(photos(album)[1])]
    with Image.open(out / "cutouts" / "1.png") as cutout:
        assert np.asarray(cutout)[..., 3].sum() == 40 * 255
    record = lines(out)[1]
    assert (record["origin"], record["score"], record["box"]) == ("hand", None, [20, 5, 30, 9])
    again = segment_album(second, photos(album), Output(out, overwrite_hand_work=True))
    assert (again.written, again.by_hand) == (1, ())


def test_a_stopped_run_of_another_concept_leaves_no_stale_mask(concepts, album, tmp_path):
    out, (first, second) = tmp_path / "out", concepts
    segment_album(first, photos(album), out)
    wanted = contents(out)
    for stop_after in range(3):

        def stop(record, seen=[], stop_after=stop_after):  # noqa: B006
            seen.append(record)
            if len(seen) > stop_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            segment_album(second, photos(album), out, stop)
        assert contents(out) != wanted
        summary = segment_album(first, photos(album), out)
        assert contents(out) == wanted
        assert summary.by_hand == ()


def test_a_mask_that_was_replaced_before_its_line_is_no_hand_work(concepts, album, tmp_path):
    out, (first, second) = tmp_path / "out", concepts
    segment_album(first, photos(album), out)
    wanted, manifest = contents(out), (out / "manifest.jsonl").read_bytes()
    segment_album(second, photos(album), out)
    (out / "manifest.jsonl").write_bytes(manifest)  # as if none of its lines had been written
    summary = segment_album(first, photos(album), out)
    assert (contents(out), summary.written, summary.by_hand) == (wanted, 4, ())


@pytest.mark.parametrize("damage", [b"", b"\x89PNG half", b"\0" * 500])
def test_a_mask_that_a_power_cut_damaged_is_made_again(concepts, album, tmp_path, damage):
    out = tmp_path / "out"
    segment_album(concepts[0], photos(album), out)
    wanted = contents(out)
    (out / "2.png").write_bytes(damage)
    summary = segment_album(concepts[0], photos(album), out)
    assert (summary.written, contents(out)) == (1, wanted)


def test_moved_renamed_and_copied_folders_go_on(concepts, album, tmp_path):
    out = tmp_path / "out"
    segment_album(concepts[0], photos(album), out)
    by_hand(out / "3.png")
    wanted = contents(out)
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    album.rename(tmp_path / "elsewhere")
    out.rename(tmp_path / "results")
    for moved, results in (("elsewhere", "results"), ("copy/album", "copy/out")):
        files = photos(tmp_path / moved)
        for file in files:
            os.utime(file)
        summary = segment_album(concepts[0], files, tmp_path / results)
        assert (summary.skipped, contents(tmp_path / results)) == (4, wanted)
        assert {line["input"] for line in lines(tmp_path / results)} == set(map(str, files))


def test_renamed_photos_keep_their_masks_and_copies_get_their_own(concepts, album, tmp_path):
    out = tmp_path / "out"
    segment_album(concepts[0], photos(album), out)
    by_hand(out / "3.png")
    wanted = contents(out)
    (album / "3.png").rename(album / "renamed.png")
    summary = segment_album(concepts[0], photos(album), out)
    assert (summary.skipped, contents(out)) == (4, wanted)
    shutil.copy(album / "0.png", album / "copy.png")
    summary = segment_album(concepts[0], photos(album), out)
    assert (summary.written, set(contents(out)) - set(wanted)) == (1, {"copy.png"})


def test_copied_without_hidden_files_results_go_on(concepts, album, tmp_path):
    out = tmp_path / "out"
    save = frozenset({"cutouts", "overlays"})
    segment_album(concepts[0], photos(album), Output(out, save))
    (out / ".persam-files.jsonl").unlink()
    assert segment_album(concepts[0], photos(album), Output(out, save)).skipped == 4
    assert segment_album(concepts[1], photos(album), Output(out, save)).written == 4


def test_a_photo_of_the_same_name_and_other_content_is_another(concepts, album, tmp_path):
    out = tmp_path / "out"
    segment_album(concepts[0], photos(album), out)
    (tmp_path / "new").mkdir()
    with Image.open(album / "0.png") as image:
        image.rotate(180).save(tmp_path / "new" / "0.png")
    summary = segment_album(concepts[0], photos(tmp_path / "new"), out)
    assert (summary.written, summary.records[0].output) == (1, "new__0.png")


def test_a_mask_that_somebody_put_among_the_results_is_theirs(concepts, album, tmp_path):
    out = tmp_path / "out"
    segment_album(concepts[0], photos(album)[:2], out)
    drawn = by_hand(out / "2.png")
    (out / "3.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"3\.png would be replaced"):
        segment_album(concepts[0], photos(album), out)
    Image.new("L", (9, 9), 255).save(out / "3.png")
    with pytest.raises(InputError, match=r"3\.png would be replaced"):
        segment_album(concepts[0], photos(album), out)
    (out / "3.png").unlink()
    for concept in concepts:
        summary = segment_album(concept, photos(album), out)
        assert [record.output for record in summary.by_hand] == ["2.png"]
        assert (out / "2.png").read_bytes() == drawn


@pytest.mark.parametrize("name", ["2.png", "cutouts/0.png", "sheet.html"])
def test_files_that_no_run_wrote_are_not_replaced(concepts, album, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(b"my own work")
    output = Output(out, frozenset({"cutouts", "sheet"}))
    with pytest.raises(InputError, match=rf"{name} would be replaced, which persam did not"):
        segment_album(concepts[0], photos(album), output)
    assert [path.read_bytes() for path in out.rglob("*.*") if path.is_file()] == [b"my own work"]
    segment_album(concepts[0], photos(album), replace(output, overwrite_hand_work=True))
    assert (out / name).read_bytes() != b"my own work"


def test_two_runs_into_one_folder(concepts, album, tmp_path):
    with (
        locked(tmp_path / "out"),
        pytest.raises(InputError, match=r"Another run writes into .*out: \w+ on .* since"),
    ):
        segment_album(concepts[0], photos(album), tmp_path / "out")


def test_a_full_disk_for_cutouts_does_not_stop_the_masks(concepts, album, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "cutouts").write_bytes(b"in the place of the folder")
    summary = segment_album(
        concepts[0], photos(album), Output(out, frozenset({"cutouts"}), style=HARD)
    )
    assert (summary.written, summary.failed) == (4, ())
    assert len(summary.not_written) == 1
    assert summary.not_written[0].startswith("No more cutouts: ")
