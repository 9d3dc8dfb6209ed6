"""A run that is truly killed, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import answers

from persam.evaluation import benchmark, datasets

HERE = Path(__file__).parent
CODE = """
import sys
import answers
from persam.evaluation import benchmark, datasets
data = datasets.perseg(sys.argv[1])
benchmark.evaluate(answers.learn_slowly, answers.Stand(), data, out=sys.argv[2])
"""


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path):
    for number in range(30):
        side = 5 + number
        truth, answer = answers.box(0, 0, side), answers.box(2, 2, side)
        answers.write(tmp_path, "cat", f"{number:02d}", truth=truth, answer=answer)
    out, data = tmp_path / "out", datasets.perseg(tmp_path / "data")
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    words = [sys.executable, "-c", CODE, str(data.root), str(out)]
    killed = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path})
    while len(list(out.glob("cat/*.png"))) < 3:
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    done = {file: file.stat().st_mtime_ns for file in out.glob("cat/*.png")}
    assert 3 <= len(done) < 29

    report = benchmark.evaluate(answers.learn_slowly, answers.Stand(), data, out=out)
    same = [file for file, when in done.items() if file.stat().st_mtime_ns == when]
    assert len(same) >= len(done) - 1  # of the last one the line may be missing
    assert not list(out.rglob("*.part"))
    whole = benchmark.evaluate(answers.learn, answers.Stand(), data)
    assert report.photos == 29
    assert report.objects["cat"].photos == whole.objects["cat"].photos
