"""Threads beside the caller: order, bounds, errors, the probe."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from threadpoolctl import ThreadpoolController

from persam.album.prefetch import Threads, ahead, enough
from persam.errors import InputError


def uneven(number: int) -> int:
    time.sleep(0.003 * (number % 3))
    return number * number


@pytest.mark.parametrize("way", ["prefetch", "write_behind"])
@pytest.mark.parametrize("jobs", [0, 1, 4, None])
def test_results_come_in_order_whatever_takes_long(way, jobs):
    with Threads(jobs) as threads:
        found = list(getattr(threads, way)(uneven, range(40), lambda: 5))
    assert found == [number * number for number in range(40)]


@pytest.mark.parametrize("way", ["prefetch", "write_behind"])
@pytest.mark.parametrize("most", [1, 4])
def test_no_more_is_begun_and_not_taken_than_is_allowed(way, most):
    begun, taken, largest = [], 0, 0

    def count(number: int) -> int:
        begun.append(number)
        return number

    with Threads(3) as threads:
        for _ in getattr(threads, way)(count, range(50), lambda: most):
            largest = max(largest, len(begun) - taken)
            taken += 1
            time.sleep(0.001)  # threads have time to run off
    assert taken == 50
    assert largest <= most


def test_what_is_read_ahead_is_begun_before_it_is_asked_for():
    begun = threading.Barrier(4, timeout=5)  # all four must be at work at once

    with Threads(4) as threads:
        assert (
            list(threads.prefetch(lambda _: begun.wait() >= 0, range(4), lambda: 4)) == [True] * 4
        )


@pytest.mark.parametrize("way", ["prefetch", "write_behind"])
def test_the_caller_does_what_no_thread_has_begun(way):
    def work(number: int) -> tuple[int, str]:
        if number == 0:
            assert done.wait(5)  # the only thread, until all others are done
        elif number == 3:
            done.set()
        return number, threading.current_thread().name

    done = threading.Event()
    with Threads(1) as threads:
        found = list(getattr(threads, way)(work, range(4), lambda: 4))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    here = threading.current_thread().name
    assert [name == here for _, name in found] == [False, True, True, True]


@pytest.mark.parametrize("way", ["prefetch", "write_behind"])
def test_what_is_not_worth_a_thread_is_done_by_the_caller_in_its_turn(way):
    def name(number: int) -> tuple[int, str]:
        return number, threading.current_thread().name

    with Threads(2) as threads:
        found = getattr(threads, way)(name, range(9), lambda: 9, worth=lambda number: False)
        assert list(found) == [(number, threading.current_thread().name) for number in range(9)]


def test_a_result_behind_does_not_wait_for_later_items():
    def items() -> Iterator[int]:
        yield 0
        assert first.wait(5)
        time.sleep(0.05)
        yield 1
        assert taken == [0]  # though two more might be in the making
        yield 2

    first, taken = threading.Event(), []

    def work(number: int) -> int:
        first.set()
        return number

    with Threads(1) as threads:
        for found in threads.write_behind(work, items(), lambda: 3):
            taken.append(found)
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("way", ["prefetch", "write_behind"])
@pytest.mark.parametrize("jobs", [0, 2])
def test_an_error_comes_where_its_result_would(way, jobs):
    def fragile(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    taken = []
    with pytest.raises(ValueError, match="two"), Threads(jobs) as threads:
        for found in getattr(threads, way)(fragile, range(10), lambda: 3):
            taken.append(found)
    assert taken == [0, 1]


def test_leaving_drops_what_has_not_begun_and_ends_what_has():
    ended, before = [], threading.active_count()

    def slow(number: int) -> int:
        time.sleep(0.02)
        ended.append(number)
        return number

    with pytest.raises(KeyboardInterrupt), Threads(1) as threads:
        for _ in threads.prefetch(slow, range(1000), lambda: 50):
            raise KeyboardInterrupt
    assert 1 <= len(ended) <= 3
    assert threading.active_count() == before


@pytest.mark.parametrize(("beside", "rest", "jobs"), [(8.0, 4.0, 2), (0.1, 2.0, 1), (9.0, 1.0, 6)])
def test_a_probe_has_as_many_threads_as_the_work_beside_takes(monkeypatch, beside, rest, jobs):
    now = [0.0]
    monkeypatch.setattr("persam.album.prefetch.perf_counter", lambda: now[0])

    def work(number: int) -> None:
        now[0] += beside * (100 if number == 0 else 1)  # the first sets things up

    with Threads(None, most=6) as threads:
        for _ in threads.prefetch(work, range(30), lambda: 4):
            now[0] += rest
            if threads.jobs:
                break
        assert threads.jobs == jobs


def test_a_probe_looks_at_calls_that_are_worth_a_thread():
    with Threads(None) as threads:
        found = threads.prefetch(uneven, range(30), lambda: 4, worth=lambda number: number < 6)
        assert list(found) == [number * number for number in range(30)]
        assert threads.undecided


def test_few_calls_need_no_thread():
    with Threads(None) as threads:
        assert list(threads.prefetch(uneven, range(5), lambda: 4)) == [0, 1, 4, 9, 16]
        assert threads.jobs == 0


def test_enough_is_at_least_one_and_at_most_what_there_is():
    assert [enough(beside, 10.0, 4) for beside in (0.0, 5.0, 6.0, 9.0, 10.0)] == [1, 1, 2, 4, 4]


def test_fewer_than_no_threads_are_refused():
    with pytest.raises(InputError, match="got -1"):
        Threads(-1)


def test_numpys_own_threads_stand_still_meanwhile():
    controller = ThreadpoolController().select(user_api="blas")
    with controller.limit(limits=2):
        with Threads(0):
            assert [one["num_threads"] for one in controller.info()] == [1] * len(controller)
        assert [one["num_threads"] for one in controller.info()] == [2] * len(controller)


def test_the_next_one_is_in_the_making_while_one_is_used():
    begun: list[int] = []
    started = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            started.set()
        return number * number

    results = ahead(work, range(4))
    assert next(results) == 0
    assert started.wait(10)
    assert begun == [0, 1]
    assert list(results) == [1, 4, 9]
    assert list(ahead(work, [])) == []


def test_an_error_ahead_is_raised_in_its_place():
    results = ahead(lambda number: 1 // (1 - number), range(3))
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_several_threads_ahead_keep_the_order_and_a_bound():
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    for place, answer in enumerate(ahead(uneven, items(), threads=3, most=5)):
        assert answer == place * place
        assert len(taken) <= place + 6
