"""Write the built-in model's networks, which run without torch, beside its weights.

    python tools/pocket_networks.py [--weights persam/weights/pocket.safetensors]

To be run whenever the weights change. The encoder's three parts and the guided decoder are
converted to ONNX; every weight in the graphs is then a reference into the weights' own file (its
place, and what makes float32 of it), so that the package holds one copy. What a converter has
worked out of the weights (padded kernels, positions) stays in the graphs. A test holds that both
say the same.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper

from persam.models.pocket.backbone import encoder_parts, load_pocket
from persam.models.registry import POCKET_FILE
from persam.models.runtime.builtin_networks import FACTS, PREFIX
from persam.models.runtime.export import facts_of
from persam.models.runtime.programs import converted

LEAST = 256  # elements; smaller tensors stay in the graph
KINDS = {
    "I8": (np.int8, TensorProto.INT8),
    "F16": (np.float16, TensorProto.FLOAT16),
    "F32": (np.float32, TensorProto.FLOAT),
}


class WeightsFile:
    """Where each tensor lies in a safetensors file, and which one an array was made of."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        self.places = {
            name: (8 + length + facts["data_offsets"][0], facts) for name, facts in header.items()
        }
        self._made_of: dict[tuple[bytes, tuple[int, ...]], tuple[str, bool]] = {}
        arrays = {}
        for name, (start, facts) in self.places.items():
            count = int(np.prod(facts["shape"], dtype=int))
            array = np.frombuffer(data, KINDS[facts["dtype"]][0], count, start)
            arrays[name] = array.reshape(facts["shape"]).astype(np.float32)
        for name, array in arrays.items():
            if name.endswith(".scale"):
                continue
            scale = arrays.get(f"{name}.scale")
            whole = array if scale is None else array * scale
            self._made_of[whole.tobytes(), whole.shape] = name, False
            if whole.ndim == 2:
                turned = np.ascontiguousarray(whole.T)
                self._made_of.setdefault((turned.tobytes(), turned.shape), (name, True))

    def find(self, array: np.ndarray) -> tuple[str, bool] | None:
        """Name of the weight that an array is, and whether it is transposed."""
        return self._made_of.get((array.tobytes(), array.shape))


class References:
    """Tensors of a weights' file in an ONNX graph, and the nodes that make float32 of them."""

    def __init__(self, weights: WeightsFile) -> None:
        self.weights = weights
        self.tensors: dict[str, Any] = {}
        self.nodes: list[Any] = []

    def add(self, target: str, name: str, *, turned: bool) -> None:
        """Make ``target`` of the weight of that name."""
        steps: list[tuple[str, list[str], dict[str, Any]]] = []
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        if f"{name}.scale" in self.weights.places:
            steps.append(("Mul", [self._tensor(f"{name}.scale")], {}))
        if turned:
            steps.append(("Transpose", [], {"perm": [1, 0]}))
        given = self._tensor(name)
        for number, (kind, more, facts) in enumerate(steps, start=1):
            made = target if number == len(steps) else f"{target}:{number}"
            self.nodes.append(helper.make_node(kind, [given, *more], [made], **facts))
            given = made

    def _tensor(self, name: str) -> str:
        """Refer to a tensor as it is stored; gives its name in the graph."""
        if name not in self.tensors:
            start, facts = self.weights.places[name]
            kind, shape = KINDS[facts["dtype"]], facts["shape"]
            tensor = TensorProto(name=f"file:{name}", data_type=kind[1], dims=shape)
            tensor.data_location = TensorProto.EXTERNAL
            first, last = facts["data_offsets"]
            place = {"location": self.weights.name, "offset": start, "length": last - first}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            self.tensors[name] = tensor
        return self.tensors[name].name


def referring(model: Any, weights: WeightsFile) -> Any:
    """The same ONNX model with references to the weights' file in the place of its weights."""
    kept, references = [], References(weights)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        found = weights.find(array) if array.size >= LEAST else None
        if found is None:
            kept.append(numpy_helper.from_array(array, tensor.name))
        else:
            references.add(tensor.name, found[0], turned=found[1])
    nodes = [*references.nodes, *model.graph.node]
    for field in ("initializer", "node", "value_info", "metadata_props"):
        model.graph.ClearField(field)
    model.graph.initializer.extend([*kept, *references.tensors.values()])
    model.graph.node.extend(nodes)
    for node in model.graph.node:  # where a node came from is of no use to those who run it
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return model


def main(
    weights: Annotated[Path, typer.Option(help="The built-in model's weights.")] = POCKET_FILE,
) -> None:
    """See the file's own text."""
    backbone = load_pocket(weights, device="cpu")
    file = WeightsFile(weights)
    for part in (*encoder_parts(backbone.model), backbone.convertible()[1]):
        target = weights.parent / f"{PREFIX}{part.part}.onnx"
        model = referring(onnx.load(converted(part, "onnx")), file)
        beside = target.with_suffix(".part")
        beside.write_bytes(model.SerializeToString())
        beside.replace(target)
        typer.echo(f"{target}: {target.stat().st_size / 1000:.0f} kB")
    networks = sorted(weights.parent.glob(f"{PREFIX}*.onnx"))
    facts = replace(facts_of(backbone, "onnx", "fp32"), name="pocket", staged=True)
    facts.write(weights.parent / FACTS, [*networks, weights])


if __name__ == "__main__":
    typer.run(main)
