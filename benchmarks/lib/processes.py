"""Commands and all that they start: their seconds, and killing one of them."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Thread

PERSAM = [sys.executable, "-c", "from persam.cli import main; main()"]
_SUBREAPER = 36  # prctl's option: orphans of our children become our children

Seconds = dict[str, float]
Watch = Callable[[subprocess.Popen[bytes]], None]


def adopt_orphans() -> None:
    """Have what a killed child leaves behind as children of one's own, to be waited for."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def run(words: list[str], watch: Watch | None = None) -> Seconds:
    """Seconds of a persam command and all that it started, and its exit code.

    Processor seconds are looked up while the processes run, five times a second: who starts workers
    and never waits for them, as Ray does, tells nobody what they took.

    Args:
        words: of the command, without the program.
        watch: called with the running process; it returns soon after the process has ended.
    """
    taken: dict[int, float] = {}
    began, process = time.perf_counter(), start(words)
    watcher = Thread(target=watch or (lambda _: None), args=(process,))
    watcher.start()
    while process.poll() is None:
        for one in descendants():
            taken[one] = max(taken.get(one, 0.0), _seconds(one))
        time.sleep(0.2)
    clock = time.perf_counter() - began
    watcher.join()
    _reap()
    return {"processor": sum(taken.values()), "clock": clock, "exit code": process.returncode}


def _seconds(process: int) -> float:
    """Processor seconds of a process so far; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(words: list[str]) -> subprocess.Popen[bytes]:
    """A persam command, begun; what it says is dropped."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*PERSAM, *words], **quiet)  # noqa: S603


def spent() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def descendants(named: str = "") -> list[int]:
    """Our children and theirs, those whose command line has a word."""
    parents, words = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                words[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            parents[int(entry.name)] = int(stat[1])
    found, waiting = [], [os.getpid()]
    while waiting:
        one = waiting.pop()
        children = [process for process, parent in parents.items() if parent == one]
        waiting += children
        found += [process for process in children if named in words.get(process, "")]
    return found


def until(process: subprocess.Popen[bytes], ready: Callable[[], object]) -> None:
    """Wait for something, or for the process's end."""
    while process.poll() is None and not ready():
        time.sleep(0.02)


def _reap() -> None:
    """Wait for what a command left behind; what does not end by itself in ten seconds is ended."""
    for tries in count():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if tries == 100:
            for process in descendants():
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
