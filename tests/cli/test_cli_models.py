from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from persam.cli.models import models
from persam.models import registry


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(models)
    return made


def test_json_has_every_model_and_all_that_is_known_of_it(app):
    answer = CliRunner().invoke(app, ["--json"])
    assert answer.exit_code == 0, answer.output
    rows = json.loads(answer.stdout)
    assert [row["name"] for row in rows] == [entry.name for entry in registry.CATALOG]
    for row in rows:
        assert row["family"] and row["licence"] and row["source"]
        assert isinstance(row["on_this_machine"], bool)


def test_table_names_every_model(app, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = CliRunner().invoke(app, [])
    assert answer.exit_code == 0, answer.output
    for entry in registry.CATALOG:
        assert entry.name in answer.stdout
    assert "gated" in answer.stdout


def test_what_is_here_is_said(monkeypatch, tmp_path, app):
    monkeypatch.setattr(registry, "POCKET_FILE", tmp_path / "none.safetensors")
    before = json.loads(CliRunner().invoke(app, ["--json"]).stdout)[0]
    (tmp_path / "none.safetensors").write_bytes(b"")
    after = json.loads(CliRunner().invoke(app, ["--json"]).stdout)[0]
    assert (before["on_this_machine"], after["on_this_machine"]) == (False, True)
