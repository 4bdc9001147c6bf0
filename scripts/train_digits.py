#!/usr/bin/env python3
"""Trains the bundled model, a small convolutional network for handwritten digits, and writes it as ONNX.

usage: train_digits.py [OUTPUT.onnx]        (default: tests/data/digits.onnx; takes about a minute)

Plain numpy: convolution as a matrix product over patches, Adam, a fixed seed. The last bits of the weights depend on
the BLAS library, so the result is kept in the repository.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import digits

SEED = 20
EPOCHS = 40
BATCH = 64
LEARNING_RATE = 1e-3
SHAPES = {  # [output, input, height, width] and [output, input]
    "conv1": (32, 1, 3, 3),
    "conv2": (32, 32, 3, 3),
    "dense1": (128, 512),
    "dense2": (64, 128),
    "dense3": (10, 64),
}


def initial_weights(rng):
    weights = {}
    for name, shape in SHAPES.items():
        fan_in = np.prod(shape[1:])
        weights[name + ".weight"] = rng.normal(0, np.sqrt(2 / fan_in), shape)
        weights[name + ".bias"] = np.zeros(shape[0])
    return weights


def patches_of(x):
    """[n, c, h, w] -> [n, h, w, c, 3, 3]: the padded neighbourhood of every pixel."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)


def conv_forward(x, weight, bias):
    rows = patches_of(x).reshape(-1, weight[0].size)
    y = rows @ weight.reshape(len(weight), -1).T + bias
    return y.reshape(len(x), *x.shape[2:], len(weight)).transpose(0, 3, 1, 2), rows


def conv_backward(grad, rows, weight):
    flat = grad.transpose(0, 2, 3, 1).reshape(-1, len(weight))
    turned = weight[:, :, ::-1, ::-1].transpose(
        1, 0, 2, 3
    )  # the input's gradient is a convolution with the turned kernel
    return conv_forward(grad, turned, 0)[0], (flat.T @ rows).reshape(weight.shape), flat.sum(0)


def step(w, x, labels):
    """-> gradients of the mean cross entropy, by name."""
    grads = {}
    c1, rows1 = conv_forward(x, w["conv1.weight"], w["conv1.bias"])
    a1 = np.maximum(c1, 0)
    c2, rows2 = conv_forward(a1, w["conv2.weight"], w["conv2.bias"])
    a2 = np.maximum(c2, 0)
    windows = a2.reshape(len(x), 32, 4, 2, 4, 2)
    pooled = windows.max((3, 5))
    layers = [pooled.reshape(len(x), -1)]
    for name in ("dense1", "dense2", "dense3"):
        y = layers[-1] @ w[name + ".weight"].T + w[name + ".bias"]
        layers.append(y if name == "dense3" else np.maximum(y, 0))
    odds = np.exp(layers[-1] - layers[-1].max(1, keepdims=True))
    grad = odds / odds.sum(1, keepdims=True)
    grad[np.arange(len(x)), labels] -= 1
    grad /= len(x)
    for index, name in reversed(list(enumerate(("dense1", "dense2", "dense3")))):
        grads[name + ".weight"], grads[name + ".bias"] = grad.T @ layers[index], grad.sum(0)
        grad = grad @ w[name + ".weight"] * (layers[index] > 0)
    grad = (grad.reshape(pooled.shape)[:, :, :, None, :, None] * (windows == pooled[:, :, :, None, :, None])).reshape(
        a2.shape
    )
    grad, grads["conv2.weight"], grads["conv2.bias"] = conv_backward(grad * (c2 > 0), rows2, w["conv2.weight"])
    _, grads["conv1.weight"], grads["conv1.bias"] = conv_backward(grad * (c1 > 0), rows1, w["conv1.weight"])
    return grads


def train(x, labels):
    rng = np.random.default_rng(SEED)
    weights = initial_weights(rng)
    mean = {name: np.zeros_like(value) for name, value in weights.items()}
    square = {name: np.zeros_like(value) for name, value in weights.items()}
    count = 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(x))
        rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        for start in range(0, len(x), BATCH):
            chosen = order[start : start + BATCH]
            count += 1
            for name, grad in step(weights, x[chosen].astype(np.float64), labels[chosen]).items():
                mean[name] = 0.9 * mean[name] + 0.1 * grad
                square[name] = 0.999 * square[name] + 0.001 * grad**2
                weights[name] -= (
                    rate * (mean[name] / (1 - 0.9**count)) / (np.sqrt(square[name] / (1 - 0.999**count)) + 1e-8)
                )
    return weights


def to_onnx(weights):
    nodes = [
        helper.make_node("Conv", ["picture", "conv1.weight", "conv1.bias"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["a1"], "relu1"),
        helper.make_node("Conv", ["a1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["a2"], "relu2"),
        helper.make_node("MaxPool", ["a2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten", axis=1),
        helper.make_node("Gemm", ["f", "dense1.weight", "dense1.bias"], ["d1"], "dense1", transB=1),
        helper.make_node("Relu", ["d1"], ["r1"], "relu3"),
        helper.make_node("Gemm", ["r1", "dense2.weight", "dense2.bias"], ["d2"], "dense2", transB=1),
        helper.make_node("Relu", ["d2"], ["r2"], "relu4"),
        helper.make_node("Gemm", ["r2", "dense3.weight", "dense3.bias"], ["scores"], "dense3", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="quantpress")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    root = pathlib.Path(__file__).resolve().parents[1]
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/data/digits.onnx"
    x, labels, test_x, test_labels = digits.load()
    model = to_onnx(train(x, labels))
    onnx.save(model, output)

    from onnx.reference import ReferenceEvaluator

    scores = ReferenceEvaluator(model).run(None, {"picture": test_x})[0]
    print(
        f"{output}: {output.stat().st_size} bytes, "
        f"{np.mean(scores.argmax(1) == test_labels):.2%} of the test digits right"
    )


if __name__ == "__main__":
    main()
