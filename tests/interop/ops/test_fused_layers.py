"""onnxruntime's fused normalisations, activations, products and convolutions."""

import numpy as np
import pytest

from single_op import check

MS = "com.microsoft"
rng = np.random.default_rng(12)
TOLERANCE = 2e-5


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def test_skip_layer_normalization(tmp_path):
    inputs = {"x": normal(2, 3, 8), "skip": normal(2, 3, 8), "gamma": normal(8), "beta": normal(8), "bias": normal(8)}
    details = dict(constants=("gamma", "beta", "bias"), tolerance=TOLERANCE, domain=MS, epsilon=1e-5)
    check(tmp_path, "SkipLayerNormalization", inputs, **details)
    check(tmp_path, "SkipLayerNormalization", inputs | {"beta": None, "bias": None}, **details)
    check(tmp_path, "SkipLayerNormalization", inputs | {"skip": normal(1, 3, 8)}, **details)
    check(tmp_path, "SkipLayerNormalization", inputs, **(details | {"constants": ()}))


def test_skip_simplified_layer_normalization(tmp_path):
    inputs = {"x": normal(2, 3, 8), "skip": normal(2, 3, 8), "gamma": normal(8), "bias": normal(8)}
    details = dict(tolerance=TOLERANCE, domain=MS, epsilon=1e-5)
    check(tmp_path, "SkipSimplifiedLayerNormalization", inputs, ("gamma", "bias"), **details)
    check(tmp_path, "SkipSimplifiedLayerNormalization", inputs | {"bias": None}, (), **details)


def test_simplified_layer_normalization(tmp_path):
    inputs = {"x": normal(2, 3, 8), "gamma": normal(8)}
    check(tmp_path, "SimplifiedLayerNormalization", inputs, ("gamma",), TOLERANCE, epsilon=1e-5, axis=-1)


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_embed_layer_normalization(tmp_path, segments, masked):
    inputs = {
        "ids": rng.integers(0, 9, (2, 4)).astype(np.int32),
        "segments": rng.integers(0, 2, (2, 4)).astype(np.int32) if segments else None,
        "words": normal(9, 8),
        "places": normal(5, 8),
        "kinds": normal(2, 8) if segments else None,
        "gamma": normal(8),
        "beta": normal(8),
        "mask": np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.int32) if masked else None,
    }
    constants = ("words", "places", "kinds", "gamma", "beta")
    check(tmp_path, "EmbedLayerNormalization", inputs, constants, TOLERANCE, domain=MS, outputs=2, epsilon=1e-5)


@pytest.mark.parametrize("op", ["Gelu", "BiasGelu", "FastGelu", "QuickGelu"])
def test_activations(tmp_path, op):
    x = {"x": 4 * normal(3, 8)}
    tolerance = 2e-4 if op == "FastGelu" else TOLERANCE  # the runtime approximates the tanh
    if op != "BiasGelu":
        check(tmp_path, op, x, (), tolerance, domain=MS)
    if op in ("BiasGelu", "FastGelu"):
        check(tmp_path, op, x | {"bias": normal(8)}, ("bias",), tolerance, domain=MS)


@pytest.mark.parametrize("flags", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (0, 1, 1, 1)], ids=str)
def test_fused_mat_mul(tmp_path, flags):
    transpose_a, transpose_b, batch_a, batch_b = flags

    def operand(rows, columns, transposed, moved):
        shape = [columns, rows] if transposed else [rows, columns]
        return normal(*([shape[0], 2, shape[1]] if moved else [2, *shape]))

    inputs = {"a": operand(3, 4, transpose_a, batch_a), "b": operand(4, 5, transpose_b, batch_b)}
    details = dict(alpha=0.5, transA=transpose_a, transB=transpose_b, transBatchA=batch_a, transBatchB=batch_b)
    for constants in ((), ("b",)):
        check(tmp_path, "FusedMatMul", inputs, constants, TOLERANCE, domain=MS, **details)


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Tanh", "Sigmoid", "HardSigmoid"])
def test_fused_gemm_and_conv(tmp_path, activation):
    slopes = {"LeakyRelu": [0.2], "HardSigmoid": [0.3, 0.4]}.get(activation, [])
    named = dict(zip(("activation_alpha", "activation_beta"), slopes))
    gemm = {"a": normal(3, 4), "b": normal(4, 5), "c": normal(5)}
    check(tmp_path, "FusedGemm", gemm, ("b", "c"), TOLERANCE, domain=MS, activation=activation, beta=0.5, **named)
    if activation == "Tanh":
        return
    convolution = {"x": normal(1, 4, 6, 6), "w": normal(5, 4, 3, 3), "b": normal(5)}
    extra = dict(activation_params=slopes) if slopes else {}
    check(tmp_path, "FusedConv", convolution, ("w", "b"), TOLERANCE, domain=MS, activation=activation, pads=[1, 1, 1, 1], **extra)
