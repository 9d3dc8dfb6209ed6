"""Calls side by side, each by its share of the cores, are answered as calls by all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from persam.models.registry import POCKET_FILE
from persam.models.runtime.builtin_networks import PREFIX
from persam.models.runtime.convertible import SHARED
from persam.models.runtime.programs import runner
from persam.models.runtime.streams import StreamedRunner, in_stream, one_stream, stream_count

if TYPE_CHECKING:
    from persam.models.runtime.choice import Runner


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def test_calls_in_streams_answer_as_calls_by_all_cores():
    ask = runner("onnx", POCKET_FILE.parent / f"{PREFIX}{SHARED}.onnx")
    noise = np.random.default_rng(0)
    pictures = [noise.normal(size=(1, 3, 384, 384)).astype(np.float32) for _ in range(6)]
    expected = [ask([picture]) for picture in pictures]

    def in_one(picture: np.ndarray) -> list[np.ndarray]:
        with one_stream():
            return ask([picture])

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(in_one, pictures))
    for maps, others in zip(found, expected, strict=True):
        for one, other in zip(maps, others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_a_network_is_made_ready_for_streams_once_and_where_one_is_wanted():
    made: list[int] = []

    def make(streams: int) -> Runner:
        made.append(streams)
        return lambda inputs: [*inputs, np.array(streams)]

    ask = StreamedRunner(make)
    assert (made, int(ask([])[0])) == ([1], 1)

    def in_one(_: int) -> int:
        with one_stream():
            assert in_stream()
            return int(ask([])[0])

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(in_one, range(8))) == {2}
    assert made == [1, 2]
    assert not in_stream()
    assert int(ask([])[0]) == 1


@pytest.mark.parametrize(("threads", "streams"), [(1, 1), (2, 2), (64, 4)])
def test_there_are_no_more_streams_than_threads_and_four_at_most(monkeypatch, threads, streams):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    assert stream_count() == streams
    with one_stream():
        assert in_stream() == (streams > 1)
