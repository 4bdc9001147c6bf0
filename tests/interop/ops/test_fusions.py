"""Chains that the passes rewrite: normalisation and activations written out, between products with constant matrices."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from single_op import run


def linear(random, name, x, inputs, outputs):
    """-> nodes, constants of a product with a bias"""
    weight = (random.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
    bias = random.standard_normal(outputs).astype(np.float32)
    nodes = [helper.make_node("MatMul", [x, name + ".w"], [name + ".m"]), helper.make_node("Add", [name + ".m", name + ".b"], [name])]
    return nodes, {name + ".w": weight, name + ".b": bias}


def chain(*steps, x, y):
    """Nodes of `steps`, (op, input, input...), where `_` stands for the result before."""
    nodes, last = [], x
    for i, (op, *inputs) in enumerate(steps):
        out = y if i + 1 == len(steps) else f"{y}.{i}"
        nodes.append(helper.make_node(op, [last if name == "_" else name for name in inputs], [out]))
        last = out
    return nodes


def norm(x, y):
    nodes = [
        helper.make_node("ReduceMean", [x], [y + ".mean"], axes=[-1]),
        helper.make_node("Sub", [x, y + ".mean"], [y + ".d"]),
        helper.make_node("Pow", [y + ".d", "two"], [y + ".q"]),
        helper.make_node("ReduceMean", [y + ".q"], [y + ".v"], axes=[-1]),
        *chain(("Add", "_", "epsilon"), ("Sqrt", "_"), x=y + ".v", y=y + ".s"),
        *chain(("Div", y + ".d", y + ".s"), ("Mul", "_", "gamma"), ("Add", "_", "beta"), x=y, y=y),
    ]
    return nodes


CONSTANTS = {"half": 0.5, "one": 1, "two": 2, "root2": 2**0.5, "three": 3, "cubic": 0.044715, "root": (2 / np.pi) ** 0.5, "epsilon": 1e-5}

ACTIVATIONS = {
    "relu": [("Relu", "_")],
    "gelu": [("Div", "_", "root2"), ("Erf", "_"), ("Add", "_", "one"), ("Mul", "up", "_"), ("Mul", "_", "half")],
    "tanh gelu": [
        ("Pow", "_", "three"),
        ("Mul", "_", "cubic"),
        ("Add", "up", "_"),
        ("Mul", "_", "root"),
        ("Tanh", "_"),
        ("Add", "one", "_"),
        ("Mul", "up", "_"),
        ("Mul", "half", "_"),
    ],
    "silu": [("Sigmoid", "_"), ("Mul", "up", "_")],
    "gated": [("Sigmoid", "_"), ("Mul", "up", "_"), ("Mul", "_", "side")],
    "gated by a sum": [("Tanh", "_"), ("Add", "side", "_")],
}

# The erf form is computed by the tanh formula here, and the runtime computes that one with a rational function.
TOLERANCES = {"gelu": 1e-3, "tanh gelu": 2e-4}


@pytest.mark.parametrize("shape", [(2, 5, 6), (7, 6), (1, 1, 6)], ids=str)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_feed_forward_layer(tmp_path, activation, shape):
    """x -> normalisation -> product -> activation -> product -> + x -> normalisation, with sizes that only a run knows."""
    random = np.random.default_rng(5)
    up, up_constants = linear(random, "up", "n", 6, 10)
    side, side_constants = linear(random, "side", "n", 6, 10)
    down, down_constants = linear(random, "down", "act", 10, 6)
    nodes = norm("x", "n") + up + (side if "gated" in activation else [])
    nodes += chain(*ACTIVATIONS[activation], x="up", y="act") + down
    nodes += [helper.make_node("Add", ["down", "x"], ["sum"])] + norm("sum", "y")
    constants = {name: np.float32(value) for name, value in CONSTANTS.items()} | up_constants | side_constants | down_constants
    constants |= {"gamma": random.uniform(0.5, 2, 6).astype(np.float32), "beta": random.standard_normal(6).astype(np.float32)}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", 1, [f"d{i}" for i in range(len(shape) - 1)] + [6])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    values, reference = run(tmp_path, proto, {"x": random.standard_normal(shape).astype(np.float32)})
    want = reference["y"]
    error = np.sqrt(np.mean((values["y"] - want) ** 2) / np.mean(want**2))
    assert values["y"].shape == want.shape
    assert error < TOLERANCES.get(activation, 1e-5), error
