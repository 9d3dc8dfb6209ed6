"""The folder of a training run: whose it is, and what of it stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from persam.errors import InputError
from persam.models.checkpoint import write_checkpoint
from persam.runs import cut_steps
from persam.training.run_folder import (
    CHECKPOINT,
    LOG,
    RUN,
    log,
    opened,
)

if TYPE_CHECKING:
    from pathlib import Path

KIND = "persam train pocket"


def refused(folder: Path, match: str, kind: str = KIND) -> None:
    with pytest.raises(InputError, match=match), opened(folder, kind):
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, KIND):
        refused(tmp_path, "Another run writes into")


@pytest.mark.parametrize("name", ["pocket.safetensors", LOG, "plugin.json", "notes.txt"])
def test_a_folder_of_somebody_is_refused_and_left(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a person's")
    refused(tmp_path, f"files of its own .{name}. and no run.json")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"a person's"


def test_a_run_of_another_command_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, KIND):
        pass
    refused(tmp_path, "is not of this command", "persam train stable")
    (tmp_path / RUN).write_text("[1]")
    refused(tmp_path, "is not of this command")


def test_weights_that_somebody_changed_stay_and_leftovers_go(tmp_path: Path) -> None:
    weights = tmp_path / "pocket.safetensors"
    with opened(tmp_path, KIND) as own:
        own.write(weights, b"first")
    weights.write_bytes(b"a person's")
    (tmp_path / ".persam-1-2.part").write_bytes(b"half")
    with opened(tmp_path, KIND) as own, pytest.raises(InputError, match="somebody has changed"):
        own.refuse_others(weights)
    assert not list(tmp_path.glob("*.part"))


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / CHECKPOINT, {"step": 3})
    (tmp_path / "pocket.safetensors").write_bytes(b"weights")
    with opened(tmp_path, KIND) as own:
        own.refuse_others(tmp_path / "pocket.safetensors")


def test_the_log_has_every_step_once(tmp_path: Path) -> None:
    cut_steps(tmp_path / LOG, 4)
    told: list[dict[str, float]] = []
    for step in (1, 2, 3):
        log(tmp_path, {"step": step}, told.append)
    with (tmp_path / LOG).open("a") as file:
        file.write('{"st')  # as a kill leaves it
    cut_steps(tmp_path / LOG, 2)
    log(tmp_path, {"step": 3}, None)
    lines = (tmp_path / LOG).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert len(told) == 3
