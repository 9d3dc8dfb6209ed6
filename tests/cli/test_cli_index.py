from __future__ import annotations

import json
from pathlib import Path

import drawings
import pytest
from typer.testing import CliRunner, Result

from persam.cli import app

pytest.importorskip("pyarrow")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_an_album_is_indexed_and_ranked_by_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSAM_ENGINE", "onnx")  # the lightest to load, six times
    drawings.draw(tmp_path)
    shown, mask = (tmp_path / part / "dog_1" / "00.png" for part in ("Images", "Annotations"))
    concept, index = tmp_path / "dog.safetensors", tmp_path / "index"
    assert run("learn", shown, "--mask", mask, "--out", concept).exit_code == 0
    album = ["index", tmp_path / "Images", "--recursive", "--out", index, "--jobs", 0]
    result = run(*album, "--shard", "1/2")
    assert result.exit_code == 0, result.output
    assert "there already" in run(*album).output
    found = run("find", "--concept", concept, "--index", index, "--json")
    lines = [json.loads(line) for line in found.output.splitlines()]
    assert len(lines) == 9
    assert Path(lines[0]["photo"]) == shown
    assert lines[0]["score"] is None
    looked = run("find", "--concept", concept, "--index", index, "--check", "--json", "--jobs", 0)
    assert json.loads(looked.output.splitlines()[0])["score"] > 0
    assert run("find", "--concept", concept, "--index", index, shown).exit_code == 2
    assert run("find", "--concept", concept, shown, "--check").exit_code == 2
