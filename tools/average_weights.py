"""Average two runs' weights of the built-in model, where the second went on from the first.

    python tools/average_weights.py FIRST.safetensors SECOND.safetensors OUT.safetensors

Both lie in one valley of the loss, and their mean is better than either: benchmarks/pocket.md has
the figures. OUT has eight bits a weight, as the package carries them.
"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from persam.models.pocket.weights_file import read_weights, write_weights


def main(first: Path, second: Path, out: Path) -> None:
    """Write the mean of two files of weights."""
    one, other = read_weights(first), read_weights(second)
    if one.keys() != other.keys():
        raise typer.BadParameter("The two files are weights of different networks.")
    mean = {
        name: tensor.float().lerp(other[name].float(), 0.5).to(tensor.dtype)
        if tensor.is_floating_point()
        else other[name]
        for name, tensor in one.items()
    }
    metadata = {"mean_of": json.dumps([first.name, second.name])}
    write_weights(out, mean, bits=8, metadata=metadata)


if __name__ == "__main__":
    typer.run(main)
