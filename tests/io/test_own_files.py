from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError
from persam.io.own_files import OWN_FILES, OwnFiles


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
    st.dictionaries(
        # All that a file may be called, and what a terminal or another system would stumble over.
        st.from_regex(
            r"[a-z\x01-\x1f\x7f\\\\:\x85\u2028]{1,3}(/[a-z\udce9]{1,3})?", fullmatch=True
        ),
        st.binary(),
    )
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


def test_what_is_a_persons_is_not_replaced_unless_all_is_the_runs(tmp_path: Path) -> None:
    own, mine, theirs = OwnFiles(tmp_path), tmp_path / "a.png", tmp_path / "b.png"
    own.write(mine, b"one")
    theirs.write_bytes(b"a person's")
    own.refuse_others(mine)
    own.refuse_others(tmp_path / "none.png")
    with pytest.raises(InputError, match=r"b\.png would be replaced, which persam did not write"):
        own.refuse_others(theirs)
    mine.write_bytes(b"two")
    with pytest.raises(InputError, match=r"a\.png would be replaced, which somebody has changed"):
        own.refuse_others(mine)
    OwnFiles(tmp_path, all_own=True).refuse_others(theirs)
    own.claim(theirs)
    own.claim(tmp_path / "none.png")
    assert OwnFiles(tmp_path).state(theirs) == "own"


def test_a_file_that_is_filled_becomes_the_runs(tmp_path: Path) -> None:
    own = OwnFiles(tmp_path)
    with own.written(tmp_path / "a" / "b.mov") as part:
        part.write_bytes(b"frames")
    assert OwnFiles(tmp_path).state(tmp_path / "a" / "b.mov") == "own"
