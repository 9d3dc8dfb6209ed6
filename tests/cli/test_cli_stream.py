"""Albums in tars: read and written as they come, with the same masks as those of a folder."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import persam.album.tar_results
from persam.cli import app

pytest.importorskip("pycocotools")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def shown(tmp_path: Path, tiny_sam_folder: Path) -> list[object]:
    """The words that show an object, and an album of five photos, one of them broken, in a tar."""
    photos = tmp_path / "photos"
    photos.mkdir()
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"IMG_{number}.jpg", exif=exif)
    (photos / "IMG_4.jpg").write_bytes(b"no picture")
    with tarfile.open(tmp_path / "album.tar", "w") as tar:
        for path in sorted(photos.iterdir()):
            tar.add(path, arcname=f"x/{path.name}")
    reference = ["--reference", photos / "IMG_0.jpg", "--box", "10,10,40,40"]
    model = ["--model", tiny_sam_folder, "--device", "cpu", "--batch", 1, "--jobs", 0]
    return ["segment", *reference, *model]


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def test_a_tar_has_the_masks_that_a_folder_has(shown: list[object], tmp_path: Path) -> None:
    assert run(*shown, tmp_path / "photos", "--out", tmp_path / "masks").exit_code == 1
    result = run(*shown, tmp_path / "album.tar", "--out", tmp_path / "masks.tar")
    assert result.exit_code == 1, result.output
    assert "1 photo failed" in result.output
    found = members(tmp_path / "masks.tar")
    assert len(found) == 9
    lines = (tmp_path / "masks" / "manifest.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        name = Path(line["input"]).stem
        record = json.loads(found[f"{name}.json"])
        assert record["photo"] == f"{tmp_path}/album.tar/x/{name}.jpg"
        if "error" in line:
            assert "is not a picture" in record["error"]
            continue
        assert found[f"{name}.png"] == (tmp_path / "masks" / f"{name}.png").read_bytes()
        assert {record[k] == line[k] for k in ("score", "box", "points", "doubtful")} == {True}
    assert "is there already" in run(
        *shown, tmp_path / "album.tar", "--out", tmp_path / "masks.tar"
    ).output.replace("\n", " ")


def test_numbered_tars_go_on_where_a_run_stopped(
    shown: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persam.album.tar_results, "PART", 2)
    out = tmp_path / "masks-%04d.tar"
    run(*shown, tmp_path / "photos", tmp_path / "album.tar", "--out", out)
    tars = sorted(tmp_path.glob("masks-*.tar"))
    before = [members(one) for one in tars]
    assert [path.name for path in tars] == [f"masks-{n:04d}.tar" for n in range(5)]
    assert sum(map(len, before)) == 18
    assert "IMG_0__2.png" in {name for one in before for name in one}
    for path in tars[3:]:
        path.unlink()
    result = run(*shown, tmp_path / "photos", tmp_path / "album.tar", "--out", out)
    assert "6 photos skipped" in result.output
    assert [members(one) for one in tars] == before
    other = [*shown, "--variant", "official", tmp_path / "photos", "--out", out]
    assert "looked for something else" in run(*other).output.replace("\n", " ")


def test_what_tars_cannot_have_is_refused(shown: list[object], tmp_path: Path) -> None:
    album = tmp_path / "album.tar"
    result = run(*shown, album, "--out", tmp_path / "folder")
    assert "have results in tars: --out results.tar" in " ".join(result.output.split())
    result = run(*shown, album, "--out", tmp_path / "a.tar", "--save", "cutouts")
    assert "--save would do nothing" in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["results-%d.tar", "results-%06d-%06d.tar", "100%.tar"])
def test_a_number_that_would_not_be_one_is_refused(
    shown: list[object], tmp_path: Path, name: str
) -> None:
    result = run(*shown, tmp_path / "album.tar", "--out", tmp_path / name)
    assert result.exit_code == 2
    assert "as in results-%06d.tar" in " ".join(result.output.split())
    assert not list(tmp_path.glob("*%*"))
