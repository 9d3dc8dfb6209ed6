from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from persam.errors import InputError
from persam.runs import LOCK, differences, locked, refuse_other_settings

HOLD = """
import sys, time
from persam.runs import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_all_that_differs_is_named() -> None:
    old = {"a": 1, "deep": {"b": 2, "c": 3}, "gone": None}
    new = {"a": 1, "deep": {"b": 2, "c": 4}, "more": {"x": 0}}
    assert differences(old, new) == [
        "deep.c was 3, now 4",
        "gone was None, now (nothing)",
        "more was (nothing), now {'x': 0}",
    ]


def test_other_settings_are_refused_and_equal_ones_are_not(tmp_path: Path) -> None:
    refuse_other_settings(tmp_path, {"size": [3, 4]}, {"size": (3, 4)})
    with pytest.raises(InputError, match=r"another run: model was 'a', now 'b'\. Choose"):
        refuse_other_settings(tmp_path, {"model": "a"}, {"model": "b"}, "Choose another.")


def test_one_run_a_folder_and_the_other_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with locked(folder):
        named = rf"process {os.getpid()}, since 2"
        with pytest.raises(InputError, match=named) as caught, locked(folder):
            pass
        assert str(folder) in str(caught.value)
    assert not folder.exists()  # nothing was written
    with locked(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_killed_run_keeps_nobody_out(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=f"process {other.pid}"), locked(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(InputError, match=r"file/out.*cannot be written"),
        locked(tmp_path / "file" / "out"),
    ):
        pass


@pytest.mark.parametrize("kind", [str, Path])
def test_a_store_is_no_folder(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is in a store"), locked(kind("s3://bucket/masks")):
        pass
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a:b"), locked("c:d"):
        pass
