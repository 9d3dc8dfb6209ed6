"""Processes that train together see each other, and add their gradients up."""

from __future__ import annotations

import torch

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


def test_alone_a_gradient_stays_as_it_is():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    assert Workers.here() == Workers()
    Workers.here().add_up([parameter])
    assert torch.equal(parameter.grad, torch.ones(2))
