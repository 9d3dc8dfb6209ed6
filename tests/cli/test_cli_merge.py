from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner, Result

from persam.cli import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def album(folder: Path) -> Path:
    photos = folder / "photos"
    photos.mkdir()
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"IMG_{number}.jpg")
    return photos


def test_shards_are_merged_and_what_is_missing_is_said(
    tmp_path: Path, tiny_sam_folder: Path
) -> None:
    photos = album(tmp_path)
    shown = [
        "--reference",
        photos / "IMG_0.jpg",
        "--box",
        "10,10,40,40",
        "--model",
        tiny_sam_folder,
    ]
    for number in (1, 2):
        words = [*shown, photos, "--out", tmp_path / str(number), "--shard", f"{number}/2"]
        result = run("segment", *words, "--device", "cpu", "--batch", 1, "--jobs", 0)
        assert result.exit_code == 0, result.output
    result = run("merge", tmp_path / "1", "--into", tmp_path / "all")
    assert result.exit_code == 1
    assert "Missing: no folder of shard 2/2" in result.output
    twice = tmp_path / "1", tmp_path / "2", tmp_path / "1"
    result = run("merge", *twice, "--into", tmp_path / "all")
    assert result.exit_code == 0, result.output
    assert "6 photos of 2 parts" in result.output
    lines = (tmp_path / "all" / "manifest.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["input"]).name for line in lines] == [
        f"IMG_{number}.jpg" for number in range(6)
    ]


def test_a_shard_that_is_none_is_refused(tmp_path: Path) -> None:
    result = run(
        "segment",
        album(tmp_path),
        "--reference",
        "x",
        "--box",
        "1,1,9,9",
        "--out",
        "y",
        "--shard",
        "3",
    )
    assert result.exit_code == 2
    assert "as 3/16; got '3'" in " ".join(result.output.split())
