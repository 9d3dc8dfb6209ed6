from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.run import Output, fingerprint, segment_album
from persam.concept import Concept
from persam.errors import InputError
from persam.io.cutouts import CutoutStyle
from persam.methods.persam import personalize
from persam.models.loading import load


def scene(seed: int, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(seed)
    image = noise.integers(0, 120, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    top, left = noise.integers(0, height // 2), noise.integers(0, width // 2)
    mask[top : top + height // 2, left : left + width // 2] = True
    image[mask] += 130
    return image, mask


@pytest.fixture(scope="module")
def concept(tiny_sam_folder: Path) -> Concept:
    image, mask = scene(0)
    return personalize(load(tiny_sam_folder, device="cpu"), image, mask=mask)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / folder / "dog.png" for folder in ("home", "park")]
    paths.append(tmp_path / "park" / "cat.jpg")
    for seed, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(scene(seed + 1)[0]).save(path)
    return paths


def _lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_writes_masks_of_the_size_of_the_photos_and_a_line_each(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    out, seen = tmp_path / "out", []
    summary = segment_album(concept, photos, out, seen.append)
    assert (summary.written, summary.skipped, summary.failed) == (3, 0, ())
    assert seen == list(summary.records)
    assert {path.name for path in out.iterdir()} == {
        *("home__dog.png", "park__dog.png", "cat.png", "manifest.jsonl", ".persam-files.jsonl"),
    }  # fmt: skip
    for photo, line in zip(photos, _lines(out), strict=True):
        assert line["input"] == str(photo)
        with Image.open(out / str(line["output"])) as image:
            mask = np.array(image)
        np.testing.assert_array_equal(mask > 0, concept.segment(photo).mask)
        assert set(np.unique(mask)) <= {0, 255}


def test_extras_on_request(concept: Concept, photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    save = frozenset({"cutouts", "overlays", "sheet"})
    summary = segment_album(concept, photos, Output(out, save, style=CutoutStyle("hard")))
    for name in ("home__dog", "park__dog", "cat"):
        with Image.open(out / "cutouts" / f"{name}.png") as cutout:
            alpha = np.array(cutout)[..., 3]
        with Image.open(out / f"{name}.png") as mask:
            np.testing.assert_array_equal(alpha, np.array(mask))
        with Image.open(out / "overlays" / f"{name}.jpg") as overlay:
            assert overlay.size == (64, 48)
    assert summary.sheet == out / "sheet.html"
    assert summary.sheet.read_text().count("<figure") == 3


def test_running_again_skips_what_is_done(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = segment_album(concept, photos, out)
    again = segment_album(concept, photos, out)
    assert (again.written, again.skipped, again.records) == (0, 3, first.records)
    redone = segment_album(concept, photos, Output(out, overwrite=True))
    assert (redone.written, redone.skipped) == (3, 0)
    assert len(_lines(out)) == 3


def test_done_means_same_photo_same_settings_and_a_mask(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment_album(concept, photos, out)
    os.utime(photos[1], ns=(1, 1))  # of the same content
    Image.fromarray(scene(9)[0]).save(photos[0])
    (out / "cat.png").unlink()
    assert segment_album(concept, photos, out).written == 2
    (view,) = concept.references
    other = replace(concept, references=(replace(view, target_feature=-view.target_feature),))
    assert fingerprint(other) != fingerprint(concept)
    assert segment_album(other, photos, out).written == 3
    assert segment_album(concept, photos, Output(out, identity="a name")).written == 3
    assert segment_album(other, photos, Output(out, identity="a name")).written == 0


def test_extras_asked_for_later_are_made_without_the_model(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment_album(concept, photos, out)
    later = segment_album(concept, photos, Output(out, frozenset({"cutouts", "sheet"})))
    assert later.skipped == 3
    assert len(list((out / "cutouts").iterdir())) == 3
    assert later.sheet is not None
    assert later.sheet.read_text().count("<figure>") == 3


def test_an_interrupted_run_goes_on_where_it_was(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    def interrupt(record: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        segment_album(concept, photos, out, interrupt)
    assert [line["input"] for line in _lines(out)] == [str(photos[0])]
    (out / ".persam-1-1.part").write_bytes(b"half a mask")
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"input": "half a li')
    summary = segment_album(concept, photos, out)
    assert (summary.written, summary.skipped) == (2, 1)
    assert len(_lines(out)) == 3
    assert not list(out.glob("*.part"))


def test_a_bad_photo_is_a_line_and_the_run_goes_on(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    photos[1].write_text("no picture")
    out = tmp_path / "out"
    summary = segment_album(concept, [*photos, tmp_path / "gone.jpg"], out)
    assert [record.input for record in summary.failed] == [str(photos[1]), f"{tmp_path}/gone.jpg"]
    assert summary.written == 2
    bad = _lines(out)[1]
    assert set(bad) == {"input", "error"}
    assert "not a picture" in str(bad["error"])
    Image.fromarray(scene(5)[0]).save(photos[1])
    assert segment_album(concept, photos, out).written == 1


def test_a_model_that_answers_no_numbers_is_an_error(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    (view,) = concept.references
    nothing = view.target_embedding * float("nan")
    broken = replace(concept, references=(replace(view, target_embedding=nothing),))
    summary = segment_album(broken, photos[:1], tmp_path / "out")
    assert "score of nan" in str(summary.failed[0].error)


def test_names_of_earlier_runs_are_not_given_to_other_photos(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment_album(concept, photos[:1], out)
    before = (out / "dog.png").read_bytes()
    segment_album(concept, photos[1:2], out)
    assert (out / "dog.png").read_bytes() == before
    assert (out / "park__dog.png").exists()
    assert len(_lines(out)) == 2


def test_no_photo_and_no_protected_file_is_written_over(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    before = photos[0].read_bytes()
    with pytest.raises(InputError, match=r"home/dog\.png would be written over"):
        segment_album(concept, photos[:1], photos[0].parent)
    assert photos[0].read_bytes() == before
    guarded = Output(tmp_path, protected=(tmp_path / "cat.png",))
    with pytest.raises(InputError, match=r"cat\.png"):
        segment_album(concept, photos[2:], guarded)


def test_unknown_products_and_folders_that_are_files(
    concept: Concept, photos: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="got movies"):
        Output(tmp_path, frozenset({"movies"}))
    with pytest.raises(InputError, match=r"dog\.png/\.persam\.lock cannot be"):
        segment_album(concept, photos[2:], photos[0])
