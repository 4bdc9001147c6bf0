#!/usr/bin/env python3
"""Writes tests/data/shapes.onnx: small layers of every kind that carries weights, with awkward sizes and values.

usage: make_shapes_model.py [OUTPUT.onnx]

Weights are multiples of 2^-13 or special values, so the file is the same wherever it is made.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SEED = 7


class Graph:
    def __init__(self):
        self.rng = np.random.default_rng(SEED)
        self.nodes, self.weights = [], []

    def values(self, shape, deviation):
        """Roughly normal: a sum of twelve uniform integers, exact in float32."""
        sums = self.rng.integers(-4096, 4097, (*shape, 12)).sum(-1)
        return (np.round(sums * deviation).astype(np.float32)) / np.float32(8192)

    def weight(self, name, shape, deviation=0.03):
        values = self.values(shape, deviation)
        rows = values.reshape(shape[0], -1)
        if len(rows) > 4:
            rows[0] = 0  # nothing but zeros
            rows[1] = np.float32(0.125)  # a constant
            rows[2, 0] = np.float32(-3)  # an outlier
            rows[3] *= np.float32(2.0**-16)  # tiny numbers
            rows[4] = np.resize(np.arange(-8, 8, dtype=np.float32) / 2, rows.shape[1])  # exact ties
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def conv(self, name, x, outputs, inputs, kernel, deviation=0.03, group=1):
        weight = self.weight(name + ".weight", (outputs, inputs // group, kernel, kernel), deviation)
        bias = self.weight(name + ".bias", (outputs,), 0.1)
        pads = [kernel // 2] * 4
        return self.node("Conv", [x, weight, bias], name, pads=pads, group=group, kernel_shape=[kernel, kernel])


def make():
    graph = Graph()
    x = graph.node("Relu", [graph.conv("first", "x", 7, 3, 3)], "r1")
    x = graph.node("Relu", [graph.conv("one_by_one", x, 33, 7, 1, 0.3)], "r2")
    x = graph.node("Relu", [graph.conv("depthwise", x, 33, 33, 3, 0.1, group=33)], "r3")
    x = graph.node("Relu", [graph.conv("odd", x, 48, 33, 1)], "r4")
    x = graph.node("Relu", [graph.conv("grouped", x, 32, 48, 3, 0.02, group=2)], "r5")
    x = graph.node("Relu", [graph.conv("wide", x, 64, 32, 3, 1.0)], "r6")
    x = graph.node("GlobalAveragePool", [x], "pooled")
    x = graph.node("Flatten", [x], "flat", axis=1)
    x = graph.node(
        "Gemm", [x, graph.weight("dense.weight", (53, 64)), graph.weight("dense.bias", (53,), 0.1)], "dense", transB=1
    )
    x = graph.node("MatMul", [x, graph.weight("product.weight", (53, 37), 0.2)], "y")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "shapes",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 37])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        producer_name="quantpress",
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parents[1]
    onnx.save(make(), sys.argv[1] if len(sys.argv) > 1 else root / "tests/data/shapes.onnx")
