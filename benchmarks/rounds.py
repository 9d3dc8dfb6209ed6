"""Timing side by side: the same work in different ways, in turn, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter, process_time
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of every round: by the clock on the wall, and of all threads' work together."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def best(self) -> float:
        """The round that was disturbed least."""
        return min(self.wall)

    @property
    def typical(self) -> float:
        """The median round."""
        return median(self.wall)


def side_by_side(
    works: Mapping[str, Callable[[], object]], rounds: int, *, warm: bool = True
) -> dict[str, Timing]:
    """Time works in turn, so that whatever else the machine does meets all of them alike.

    Args:
        works: by name.
        rounds: how often each; every second round goes through them backwards.
        warm: do each once before the clock runs, since a first call sets things up.
    """
    if warm:
        for work in works.values():
            work()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: -1 if number % 2 else 1]:
            times[name].append(measure(works[name]))
    return {name: Timing(*zip(*pairs, strict=True)) for name, pairs in times.items()}


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a work: by the clock on the wall, and of all threads together."""
    wall, cpu = perf_counter(), process_time()
    work()
    return perf_counter() - wall, process_time() - cpu


@dataclass(frozen=True)
class Row:
    """One figure of the table; ``met`` is None where it has no goal.

    Attributes:
        figure: what was measured.
        value: by the best rounds, where rounds were timed.
        goal: to reach, or to stay under.
        at_most: the goal is an upper bound.
        typical: the same by the median rounds.
        detail: what it is made of, as JSON can hold it.
    """

    figure: str
    value: float
    goal: float | None = None
    at_most: bool = False
    typical: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def __str__(self) -> str:
        typical = "" if self.typical is None else _number(self.typical)
        goal = "" if self.goal is None else f"{'≤' if self.at_most else '≥'} {self.goal:g}"
        said = {None: "", True: "met", False: "missed"}[self.met]
        return f"| {self.figure} | {_number(self.value)} | {typical} | {goal} | {said} |"

    def facts(self) -> dict[str, Any]:
        """The row as JSON can hold it."""
        return asdict(self) | {"met": self.met}


HEAD = "| figure | best rounds | median rounds | goal | |\n| --- | --- | --- | --- | --- |"


def ratio(figure: str, slow: Timing, fast: Timing, goal: float | None = None, **more: Any) -> Row:
    """How many times faster one way is than another."""
    detail = {"slow": asdict(slow), "fast": asdict(fast), **more}
    typical = slow.typical / fast.typical
    return Row(figure, slow.best / fast.best, goal, typical=typical, detail=detail)


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 2 else f"{value:.1f}"
