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

PERSAM = [sys.executable, "-c", "from persam.cli import main; main()"]
_SUBREAPER = 36  # prctl's option: orphans of our children become our children

Seconds = dict[str, float]
Watch = Callable[[subprocess.Popen[bytes]], None]


def adopt_orphans() -> None:
    """Have what a killed child leaves behind as children of one's own, to be waited for."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def run(words: list[str], watch: Watch | None = None) -> Seconds:
    """Seconds of a persam command and all that it started, and its exit code.

    Args:
        words: of the command, without the program.
        watch: called with the running process.
    """
    before, began = spent(), time.perf_counter()
    process = start(words)
    if watch is not None:
        watch(process)
    code = process.wait()
    clock = time.perf_counter() - began
    _reap()
    return {"processor": spent() - before, "clock": clock, "exit code": code}


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
