"""Models with many zeros, and what a .mnn file says of sparse layers."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mnn_file import CONVOLUTION_2D, CONVOLUTIONS, Net


def weights(rng, shape, zeros, block=1):
    """Normal numbers, a share of `zeros` of them 0, `block` neighbouring output channels together."""
    values = rng.normal(0, 0.4, shape).astype(np.float32)
    length = int(np.prod(shape[1:]))
    blocks = -(-shape[0] // block)
    flat = np.zeros(blocks * length, bool)
    flat[rng.permutation(flat.size)[: int(round(zeros * flat.size))]] = True
    values[np.repeat(flat.reshape(blocks, length), block, 0)[: shape[0]].reshape(shape)] = 0
    return values


def save(path, layers, shape):
    """Convolutions one after another: (operator, weights, bias or None, attributes, activation or None)"""
    nodes, constants, last = [], [], "x"
    for i, (op, weight, bias, attributes, activation) in enumerate(layers):
        inputs = [last]
        for name, values in (("w", weight), ("b", bias)):
            if values is not None:
                constants.append(numpy_helper.from_array(values, f"{name}{i}"))
                inputs.append(f"{name}{i}")
        last = f"c{i}"
        nodes.append(helper.make_node(op, inputs, [last], **attributes))
        if activation:
            nodes.append(helper.make_node(activation, [last], [f"a{i}"]))
            last = f"a{i}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), (last, None))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def write_blocks(path, blocks):
    prune = {"type": "SIMD_OC", "simdOcPrunerParams": {"ocBlocks": [blocks]}}
    path.write_text(json.dumps({"version": "1", "algo": [{"type": "PRUNE", "pruneParams": prune}]}))


def filter_recipe(path):
    path.write_text(json.dumps({"version": "1", "algo": [{"type": "PRUNE", "pruneParams": {"type": "FILTER"}}]}))


def layers(path):
    """-> {layer: everything that its file says of its weights}, bytes and numbers"""
    found = {}
    for op in Net(path).ops:
        if op.scalar(5, "i") not in CONVOLUTIONS or op.scalar(1, "B") != CONVOLUTION_2D:
            continue
        table = op.table(2)
        quan, mark, weight = table.table(3), table.table(5), table.vector(1, "f4")
        layer = {"weight": None if weight is None else weight.tobytes()}
        if quan is not None:
            for name, slot, kind in (("type", 2, "i"), ("scale", 4, "f"), ("bits", 7, "i"), ("min", 8, "i"), ("read", 9, "i")):
                layer[name] = quan.scalar(slot, kind)
            layer["size"] = quan.scalar(12, "I")
            for name, slot, kind in (("buffer", 0, np.uint8), ("alpha", 1, "f4"), ("index", 13, "u4")):
                vector = quan.vector(slot, kind)
                layer[name] = None if vector is None else vector.tobytes()
        if mark is not None:
            layer["mark"] = (mark.scalar(0, "b"), [(arg.text(3), arg.scalar(1, "i")) for arg in mark.tables(1)])
        found[op.text(3)] = layer
    return found
