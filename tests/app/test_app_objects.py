"""The state of a page: written whole, read back equal, refused where it is not one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.app.objects import AppState, Mark, NamedObject, read_state, write_state
from persam.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("shown", "other", "corrected", "right", "wrong", "absent")
names = st.text("abcXYZ019_-äß", min_size=1, max_size=8).map(lambda text: f"n{text}")
marks = st.builds(
    Mark,
    photo=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).map(lambda t: f"/p/{t}"),
    kind=st.sampled_from(KINDS),
    mask=st.none() | st.just("references/dog/00.png"),
    learnt=st.booleans(),
)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.builds(NamedObject, name=names, marks=st.lists(marks, max_size=4).map(tuple)), max_size=3
    )
)
def test_a_state_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, objects):
    folder = tmp_path_factory.mktemp("state")
    state = AppState(objects=tuple(objects), folder="/p", min_presence=0.25)
    write_state(folder, state)
    assert read_state(folder, None).objects == state.objects


def test_one_word_on_an_object_in_a_photo_and_one_on_what_it_is_not():
    dog = NamedObject("dog").with_mark(Mark("/a.jpg", "right")).with_mark(Mark("/a.jpg", "wrong"))
    dog = dog.with_mark(Mark("/a.jpg", "other", "not/dog/a.png"))
    assert [mark.kind for mark in dog.marks] == ["wrong", "other"]
    assert dog.without_mark("/a.jpg", other=False).marks[0].kind == "other"


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": 2}', '{"objects": 5}', "[" * 100_000, "\x00"]
)
def test_another_programs_file_is_refused(tmp_path: Path, text: str):
    (tmp_path / "app.json").write_text(text)
    with pytest.raises(InputError, match=r"app\.json"):
        read_state(tmp_path, None)


@pytest.mark.parametrize("name", ["", " dog", "a/b", "..", ".dog", "a\nb", "x" * 41, "dog."])
def test_names_that_make_no_files_are_refused(name: str):
    with pytest.raises(InputError, match="A name has"):
        NamedObject(name)
