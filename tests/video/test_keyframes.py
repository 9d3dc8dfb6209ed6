"""Marks in the middle of a clip: both ways, joined; what a changed mark changes, and kills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_clips import ColourTracker, Made, make, picture, prediction, squares
from PIL import Image

from persam.errors import InputError
from persam.io.own_files import OWN_FILES
from persam.video.clip import open_clip
from persam.video.job import TrackRequest, segment_clip
from persam.video.joining import best_join, doubt_of
from persam.video.marks import Span, outdated
from persam.video.output_files import ClipOutput
from persam.video.record import FrameObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.video.clip import Clip

LENGTH = 10


class LosesTrack(ColourTracker):
    """Finds an object for three frames from a mark on, and then nothing, more and more doubtful."""

    def __init__(self, names: Sequence[str], calls: list[Any]) -> None:
        super().__init__(names, calls)
        self.names, self.age, self.path = names, dict.fromkeys(names, 99), calls

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> Any:
        self.path.append((tuple(self.names), number))
        red, blue = image[..., 0].astype(int), image[..., 2].astype(int)
        found = {"red": red > blue + 90, "blue": blue > red + 90}
        answer = {}
        for name in self.names:
            self.age[name] = 0 if name in marked else self.age[name] + 1
            mask = marked[name] if name in marked else found[name] & (self.age[name] <= 3)
            doubt = min(1.0, self.age[name] / 10)
            answer[name] = prediction(mask, doubt=doubt, event="marked" if name in marked else "")
        return answer

    def plan(self, history: Sequence[Any]) -> None:
        for line in history:
            for name in self.names:
                marked = line[name].event == "marked"
                self.age[name] = 0 if marked else self.age[name] + 1


@pytest.fixture(params=["folder", "file"])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Clip:
    if request.param == "file":
        made = Made(times=tuple(range(0, 3 * LENGTH, 3)), options={"g": "4", "bf": "2", "crf": "5"})
        return open_clip(make(tmp_path / "clip.mp4", made))
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(LENGTH):
        Image.fromarray(picture(index)).save(folder / f"{index:05d}.png")
    return open_clip(folder)


def request(marks: Mapping[int, Sequence[str]], calls: list[Any]) -> TrackRequest:
    masks = {n: {name: squares(n, 48, 64)[name] for name in names} for n, names in marks.items()}
    return TrackRequest(("red", "blue"), lambda names: LosesTrack(names, calls), masks)


def present(out: Path, name: str) -> list[int]:
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(LENGTH))
    for line in lines:
        with Image.open(out / "masks" / f"{line['name']}.png") as image:
            labels = np.array(image)
        assert (labels == {"red": 1, "blue": 2}[name]).any() == line["objects"][name]["present"]
    return [line["index"] for line in lines if line["objects"][name]["present"]]


def everything(out: Path) -> dict[str, bytes]:
    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != OWN_FILES)
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def test_frames_between_two_marks_come_from_the_nearer_one(clip: Clip, tmp_path: Path) -> None:
    out, calls = tmp_path / "out", []
    segment_clip(request({0: ["red"], 7: ["red"]}, calls), clip, out)
    assert present(out, "red") == list(range(LENGTH))
    assert present(out, "blue") == []
    backwards = [number for names, number in calls if names == ("red",)]
    assert backwards == list(range(7))  # the marked frame and the six before it, in their order


def test_an_object_marked_late_is_found_before_too(clip: Clip, tmp_path: Path) -> None:
    segment_clip(request({5: ["blue"]}, []), clip, tmp_path / "out")
    assert present(tmp_path / "out", "blue") == [2, 3, 4, 5, 6, 7, 8]


def test_a_further_mark_changes_what_it_can_and_no_more(clip: Clip, tmp_path: Path) -> None:
    out, calls = tmp_path / "out", []
    first = {0: ["red", "blue"]}
    segment_clip(request(first, []), clip, ClipOutput(out, frozenset({"coco"})))
    assert present(out, "red") == [0, 1, 2, 3]
    before = everything(out)
    more = first | {6: ["red"]}
    segment_clip(request(more, calls), clip, ClipOutput(out, frozenset({"coco"})))
    assert present(out, "red") == list(range(LENGTH))
    assert present(out, "blue") == [0, 1, 2, 3]
    forwards = [number for names, number in calls if len(names) == 2]
    assert forwards == [6, 7, 8, 9]
    after = everything(out)
    assert all(after[f"masks/0000{n}.png"] == before[f"masks/0000{n}.png"] for n in range(4))
    assert after["annotations.json"] != before["annotations.json"]
    # As if both marks had been there from the start.
    segment_clip(request(more, []), clip, ClipOutput(tmp_path / "anew", frozenset({"coco"})))
    assert after == everything(tmp_path / "anew")
    # A mark that is taken away again takes its frames with it.
    segment_clip(request(first, []), clip, ClipOutput(out, frozenset({"coco"})))
    assert everything(out)["annotations.json"] == before["annotations.json"]
    assert present(out, "red") == [0, 1, 2, 3]


def test_what_is_joined_says_where_the_object_is_lost_and_found_again(
    clip: Clip, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment_clip(request({0: ["red"], 9: ["red"]}, []), clip, out)
    assert present(out, "red") == [0, 1, 2, 3, 6, 7, 8, 9]
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert lines[6]["objects"]["red"]["event"] == "found again"
    reasons = {
        entry["frame"]: entry["why"] for entry in json.loads((out / "review.json").read_text())
    }
    assert reasons[6] == "found again"


def test_a_mark_of_one_object_leaves_what_was_joined_of_another(tmp_path: Path, clip: Clip) -> None:
    out = tmp_path / "out"
    first = {0: ["red", "blue"], 7: ["blue"]}
    segment_clip(request(first, []), clip, out)
    assert present(out, "blue") == list(range(LENGTH))
    before = [(out / "masks" / f"{n:05d}.png").read_bytes() for n in range(LENGTH)]
    more = {**first, 5: ["red"]}
    segment_clip(request(more, []), clip, out)
    assert present(out, "blue") == list(range(LENGTH))
    segment_clip(request(more, []), clip, tmp_path / "anew")
    assert everything(out) == everything(tmp_path / "anew")
    segment_clip(request(first, []), clip, out)
    assert [(out / "masks" / f"{n:05d}.png").read_bytes() for n in range(LENGTH)] == before


@pytest.mark.parametrize("stop", range(1, 16, 2))
def test_a_run_that_is_stopped_anywhere_ends_as_one_that_was_not(tmp_path: Path, stop: int) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(LENGTH):
        Image.fromarray(picture(index)).save(folder / f"{index:05d}.png")
    marks: dict[int, Sequence[str]] = {0: ["red"], 4: ["blue"], 7: ["red"]}
    output = frozenset({"cutouts", "coco"})
    segment_clip(request(marks, []), open_clip(folder), ClipOutput(tmp_path / "whole", output))

    class Stops(list):
        def append(self, call: Any) -> None:
            super().append(call)
            if len(self) == stop:
                raise KeyboardInterrupt

    out = ClipOutput(tmp_path / "out", output)
    with pytest.raises(KeyboardInterrupt):
        segment_clip(request(marks, Stops()), open_clip(folder), out)
    segment_clip(request(marks, []), open_clip(folder), out)
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def test_marks_that_cannot_be_of_the_clip_are_refused(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Frame 40 is marked, but .* has frames 0 to 9"):
        far = {0: {"red": squares(0, 48, 64)["red"]}, 40: {"red": squares(0, 48, 64)["red"]}}
        task = TrackRequest(("red",), lambda names: LosesTrack(names, []), far)
        segment_clip(task, clip, tmp_path / "a")
    for mask, said in (
        (np.ones((4, 4), dtype=bool), "Draw it on that frame"),
        (np.zeros((48, 64), dtype=bool), "Draw it on that frame"),
    ):
        task = TrackRequest(("red",), lambda names: LosesTrack(names, []), {0: {"red": mask}})
        with pytest.raises(InputError, match=said):
            segment_clip(task, clip, tmp_path / "b")


def test_a_way_that_has_lost_the_object_gives_way_to_one_that_sees_it() -> None:
    seen = FrameObject(True, 0.9, (0, 0, 4, 4), 0.8, 16, doubt=0.3)
    lost = FrameObject(False, 0.0, None, None)
    forward, backward = [seen] * 4, [lost, lost, lost, seen]
    doubts = [[doubt_of(entry) for entry in way] for way in (forward, backward)]
    assert best_join([0.0, 0.0, 0.0, 0.9], *doubts) >= 3


def test_the_join_is_where_the_ways_agree() -> None:
    assert best_join([1.0, 1.0, 0.0], [0, 0, 0.9], [0.9, 0, 0]) in (1, 2)
    assert best_join([], [], []) == 0
    assert best_join([0.0] * 4, [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]) == 2


def test_what_a_changed_mark_outdates() -> None:
    old = {"0": {"a": "x"}, "9": {"a": "y"}, "20": {"a": "z"}}
    joined = frozenset({(9, "a"), (20, "a")})
    assert outdated(old, old, joined) == ([], joined)
    spans, kept = outdated(old, old | {"9": {"a": "new"}}, joined)
    assert (spans, kept) == ([Span(1, 20)], frozenset())
    spans, kept = outdated(old, old | {"30": {"a": "new"}}, joined)
    assert (spans, kept) == ([Span(30, None)], joined)
    spans, kept = outdated(old, old | {"5": {"b": "new"}}, joined)
    assert (spans, kept) == ([Span(5, None), Span(1, 9), Span(10, 20)], frozenset())
    spans, kept = outdated(old, old | {"12": {"b": "new"}}, joined)
    assert (spans, kept) == ([Span(12, None), Span(10, 20)], frozenset({(9, "a")}))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), max_size=12))
def test_a_join_lies_within_its_span(values: list[tuple[float, float, float]]) -> None:
    agreements, forward, backward = ([value[at] for value in values] for at in range(3))
    assert 0 <= best_join(agreements, forward, backward) <= len(values)
