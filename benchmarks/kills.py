"""Kill commands at random moments and run them again: the counts in benchmarks/robustness.md.

Every command first runs undisturbed. Then, again and again, it runs into a new folder in a process
of its own that is ended by SIGKILL at a random moment of its processor time, and once more to its
end. All files must be those of the undisturbed run, byte for byte, but for the seconds that records
tell; nothing half-written may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from persam import samples
from persam.models import loading

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Its threads survive no fork, and with one thread this engine has none.
os.environ["PERSAM_ENGINE"] = "onnx"

OUTCOMES = ("killed", "ended before", "went on to the same", "differed", "failed", "left .part")
# What tells of time, and on what it was measured, is not of the result.
_TIMES = re.compile(rb'"(learn_)?seconds": [0-9.e-]+|[0-9.]+ s(?=</span>)')
_NOT_RESULTS = ("cache", "run.json")


def inputs(folder: Path) -> dict[str, list[str]]:
    """Photos, frames, a data set and concepts; gives the words of every command but ``--out``."""
    data = folder / "data"
    samples.copy(data)
    for path in sorted(data.rglob("*.*")):
        if path.stem > "02":
            path.unlink()
            continue
        with Image.open(path) as image:
            small = image.resize((160, 120), Image.Resampling.NEAREST)
        small.save(path)
    photos, masks = data / "Images" / samples.OBJECT, data / "Annotations" / samples.OBJECT
    frames = folder / "frames"
    frames.mkdir()
    with Image.open(photos / "00.jpg") as image:
        first = np.asarray(image)
    for number in range(4):
        Image.fromarray(np.roll(first, 2 * number, axis=1)).save(frames / f"{number:04d}.png")
    shown = [str(photos / "00.jpg"), "--mask", str(masks / "00.png")]
    other = [str(photos / "01.jpg"), "--mask", str(masks / "01.png")]
    for name, words in (("a", shown), ("b", other)):
        if run(["learn", *words, "--out", str(folder / f"{name}.safetensors")]) != 0:
            raise SystemExit("The concepts could not be learnt.")
    one, two = (f"{name}={folder / name}.safetensors" for name in "ab")
    # Without cut-outs, whose soft edges start threads that no fork takes along.
    save = ["--save", "masks,overlays,sheet", "--jobs", "0", "--batch", "1"]
    album = ["segment", str(photos), *save]
    return {
        "segment, cache": [*album, "--concept", str(folder / "a.safetensors"), "--cache"],
        "segment, two concepts": [*album, "--concept", one, "--concept", two, "--cache"],
        "track": [
            *("track", str(frames), "--first-mask", str(masks / "00.png")),
            *("--save", "masks,cutouts,coco"),
        ],
        "evaluate": ["evaluate", "perseg", str(data)],
        "learn": ["learn", *shown],
        "dreambooth prepare": [
            *("dreambooth", "prepare", str(photos), "--reference", *shown),
            *("--class", "dog", "--resolution", "64"),
        ],
    }


def with_places(words: list[str], out: Path) -> list[str]:
    """The words with the places that a run writes to."""
    words = [*words, str(out / "cache")] if words[-1] == "--cache" else words
    where = out / "dog.safetensors" if words[0] == "learn" else out / "results"
    return [*words, "--out", str(where)]


def run(words: list[str], after: float | None = None) -> int:
    """Run a command in a process of its own; gives its exit code, or -9 where it was killed.

    Args:
        words: of the command.
        after: seconds of processor time until it is killed; None lets it be.
    """
    process = os.fork()
    if process == 0:
        _become(words)
    clock = (~process << 3) | 2  # Linux: the processor time of another process
    while after is not None:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        with contextlib.suppress(OSError):  # it has ended just now
            if time.clock_gettime(clock) > after:
                os.kill(process, signal.SIGKILL)
                break
        time.sleep(0.0005)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def warm_up(words: list[str]) -> None:
    """Run a command here, so that copies of this process have its modules and model."""
    from persam.cli import app

    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        app(words, standalone_mode=False)


def _become(words: list[str]) -> None:
    from persam.cli import app

    code = 70
    try:
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            app(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def processor_time(words: list[str]) -> float:
    """Run a command to its end; gives the seconds of processor time that it took."""
    before = os.times()
    if run(words) not in (0, 1):
        raise SystemExit(f"persam {' '.join(words)} fails undisturbed.")
    now = os.times()
    used = now.children_user + now.children_system
    return used - before.children_user - before.children_system


def results(out: Path) -> dict[str, bytes]:
    """All files of a run, without the seconds that they tell and where they lie."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        hidden = path.name.startswith(".persam")
        if path.is_file() and not hidden and not any(part in name for part in _NOT_RESULTS):
            data = path.read_bytes().replace(os.fsencode(out), b"OUT")
            found[name] = _TIMES.sub(b"seconds", data)
    return found


def kill_and_go_on(words: list[str], folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a command ``kills`` times; gives how often what came of it."""
    chance, counts = random.Random(seed), Counter[str]()  # noqa: S311
    warm_up(with_places(words, folder / "first"))
    seconds = processor_time(with_places(words, folder / "whole"))
    wanted = results(folder / "whole")
    for number in range(kills):
        out = folder / f"{number}"
        again = with_places(words, out)
        killed = run(again, chance.uniform(0, seconds)) == -signal.SIGKILL
        counts["killed" if killed else "ended before"] += 1
        code = run(again)
        found = results(out)
        same = found == wanted
        counts[
            "failed" if code not in (0, 1) else "went on to the same" if same else "differed"
        ] += 1
        counts["left .part"] += bool(list(out.rglob("*.part")))
        shutil.rmtree(out)
    return {"seconds undisturbed": round(seconds, 2), **{name: counts[name] for name in OUTCOMES}}


def main() -> None:
    """Kill every command, print and write what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="*", help="these commands alone")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    # One model for all processes, which are copies of this one.
    loading.load = functools.cache(loading.load)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        commands = inputs(Path(place))
        for name in arguments.only or commands:
            folder = Path(place) / name.replace(" ", "-")
            report[name] = kill_and_go_on(commands[name], folder, arguments.kills, arguments.seed)
            print(name, report[name], flush=True)  # noqa: T201
            if arguments.json:
                arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    bad = sum(one[name] for one in report.values() for name in OUTCOMES[3:])
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
