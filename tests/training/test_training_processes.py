"""Processes that train together see each other, and add their gradients up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
import torch

from persam.errors import InputError
from persam.training.processes import Workers, together


def _share(out):
    """Gradients of two parameters, the second without one in the first process."""
    workers = Workers.here()
    parameters = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(4))]
    parameters[0].grad = torch.arange(6.0).reshape(2, 3) * (workers.rank + 1)
    if workers.rank == 1:
        parameters[1].grad = torch.ones(4)
    workers.add_up(parameters)
    torch.save([workers.count, *(p.grad for p in parameters)], out / f"{workers.rank}.pt")


def test_every_process_has_the_sum_of_all_gradients(tmp_path):
    together(2, _share, tmp_path)
    for rank in range(2):
        count, first, second = torch.load(tmp_path / f"{rank}.pt")
        assert count == 2
        assert torch.equal(first, 3 * torch.arange(6.0).reshape(2, 3))
        assert torch.equal(second, torch.ones(4))


def _refuse(data):
    raise InputError(f"{data} holds no pictures.")


def test_what_a_process_refuses_is_said_as_by_one_alone():
    with pytest.raises(InputError, match=r"^albums holds no pictures\.$"):
        together(1, _refuse, "albums")


def _wait(out):
    (out / f"{Workers.here().rank}.pid").write_text(str(os.getpid()))
    time.sleep(300)


def _wait_together(out):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command does
    together(1, _wait, out)


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_stops_with_the_process_that_started_it(tmp_path):
    parent = multiprocessing.get_context("spawn").Process(target=_wait_together, args=(tmp_path,))
    parent.start()
    until = time.monotonic() + 60
    file = tmp_path / "0.pid"
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    parent.terminate()
    parent.join(30)
    assert parent.exitcode not in (None, 0)
    assert not _is_running(int(file.read_text()))


def test_alone_a_gradient_stays_as_it_is():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    assert Workers.here() == Workers()
    Workers.here().add_up([parameter])
    assert torch.equal(parameter.grad, torch.ones(2))
