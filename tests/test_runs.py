from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError
from persam.runs import LOCK, OWN_FILES, OwnFiles, differences, locked, refuse_other_settings

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


def test_own_files_are_known_again_by_their_content(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "below" / "a.png", tmp_path / "b.png"
    own = OwnFiles(tmp_path)
    own.write(mine, b"one")
    theirs.write_bytes(b"a person's")
    again = OwnFiles(tmp_path)
    assert [again.state(path) for path in (mine, theirs)] == ["own", "foreign"]
    mine.write_bytes(b"mended by hand")
    assert again.state(mine) == "changed"
    assert not again.remove(mine)
    mine.write_bytes(b"one")
    assert again.remove(mine)
    assert again.state(mine) == "missing"
    assert theirs.read_bytes() == b"a person's"


def test_a_run_that_is_killed_between_list_and_file_knows_both(tmp_path: Path) -> None:
    own, path = OwnFiles(tmp_path), tmp_path / "a.png"
    own.write(path, b"first")
    own.announce(path, "0" * 64)
    assert OwnFiles(tmp_path).state(path) == "own"


def test_nothing_outside_the_folder_is_deleted(tmp_path: Path) -> None:
    folder, victim = tmp_path / "out", tmp_path / "victim.png"
    victim.write_bytes(b"x")
    own = OwnFiles(folder)
    own.write(folder / "a.png", b"x")
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    own.announce(folder / "link" / "victim.png", own.write(folder / "b.png", b"x"))
    assert not own.remove(folder / "link" / "victim.png")
    assert not own.remove(folder / ".." / "victim.png")
    assert victim.exists()


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z\udce9]{1,3})?", fullmatch=True), st.binary())
)
def test_the_list_comes_back_as_it_was(tmp_path_factory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("own")
    own = OwnFiles(folder)
    for name, data in files.items():
        own.announce(folder / name, data.hex().rjust(64, "0"))
    own.tidy()
    assert OwnFiles(folder)._known == own._known


@pytest.mark.parametrize(
    "line", ["[1]", '{"file": "../x", "sha256": "0"}', '{"file": "/x", "sha256": "0"}', "["]
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / OWN_FILES).write_text(f"{line}\n{line}\n")
    with pytest.raises(InputError, match="Line 1 of"):
        OwnFiles(tmp_path)
