"""Writes a transformer with random weights as ONNX with external data: any number of weights, little memory.

usage: make_transformer.py OUTPUT.onnx LAYERS [WIDTH]

One layer has 12 * WIDTH^2 weights in six matrices (1024 wide: 12.6 million); 16 layers have 201 million.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

SEED = 1
DEVIATION = 0.03  # of the weights, as in trained models
CHUNK = 1 << 22


class Writer:
    """Collects nodes; weights go straight to the external file."""

    def __init__(self, stream, location):
        self.stream, self.location = stream, location
        self.rng = np.random.default_rng(SEED)
        self.noise = self.rng.standard_normal(CHUNK, np.float32)
        self.nodes, self.weights = [], []
        self.offset = 0

    def weight(self, name, *shape):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        count = int(np.prod(shape))
        for key, value in (("location", self.location), ("offset", self.offset), ("length", 4 * count)):
            tensor.external_data.add(key=key, value=str(value))
        for start in range(
            0, count, CHUNK
        ):  # the same noise at another place and scale: fast, and no two blocks are alike
            size = min(CHUNK, count - start)
            shift = int(self.rng.integers(CHUNK))
            scale = np.float32(DEVIATION * self.rng.uniform(0.8, 1.25))
            self.stream.write((np.roll(self.noise, shift)[:size] * scale).tobytes())
        self.offset += 4 * count
        self.weights.append(tensor)
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def dense(self, name, x, inputs, outputs):
        y = self.node("MatMul", [x, self.weight(name + ".weight", inputs, outputs)], name + ".product")
        return self.node("Add", [y, self.weight(name + ".bias", outputs)], name)

    def layer(self, name, x, width):
        query, key, value = (self.dense(f"{name}.{part}", x, width, width) for part in ("query", "key", "value"))
        turned = self.node("Transpose", [key], f"{name}.turned", perm=[0, 2, 1])
        odds = self.node("Softmax", [self.node("MatMul", [query, turned], f"{name}.scores")], f"{name}.odds", axis=-1)
        mixed = self.dense(f"{name}.out", self.node("MatMul", [odds, value], f"{name}.mixed"), width, width)
        x = self.node("Add", [x, mixed], f"{name}.sum1")
        wide = self.node("Relu", [self.dense(f"{name}.up", x, width, 4 * width)], f"{name}.wide")
        return self.node("Add", [x, self.dense(f"{name}.down", wide, 4 * width, width)], f"{name}.sum2")


def make(path, layers, width=1024):
    """-> number of weights"""
    path = pathlib.Path(path)
    location = path.name + ".data"
    with open(path.with_name(location), "wb") as stream:
        writer = Writer(stream, location)
        x = "x"
        for index in range(layers):
            x = writer.layer(f"layer{index}", x, width)
    graph = helper.make_graph(
        writer.nodes,
        "transformer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, width])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 16, width])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return writer.offset // 4


if __name__ == "__main__":
    print(make(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:])), "weights")
