"""Quantized operators against onnxruntime. Codes are compared exactly where the reference computes them in integers or by one
rounding; a rounding of a sum of floats may fall on the other side, by one code."""

import numpy as np
import pytest

import clients
from single_op import check

MS = "com.microsoft"
rng = np.random.default_rng(7)


def scale(value):
    return np.array(value, np.float32)


def codes(shape, dtype=np.uint8):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def factors(shape):
    """int8 weights for uint8 inputs."""
    largest = clients.largest_factor()
    return rng.integers(-largest - 1, largest + 1, shape).astype(np.int8)


CONSTANTS = ("xs", "xz", "ws", "wz", "ys", "yz", "w", "bias", "zp", "s")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_quantize_rounds_half_to_even_and_clamps(tmp_path, dtype):
    x = np.concatenate([np.arange(-600, 600) / 4, [1e9, -1e9, np.inf, -np.inf]]).astype(np.float32)
    zero = np.array(100, dtype)
    check(tmp_path, "QuantizeLinear", {"x": x, "s": scale(0.5), "zp": zero}, CONSTANTS)
    check(tmp_path, "QuantizeLinear", {"x": x, "s": scale(0.5), "zp": zero})


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("constants", [CONSTANTS, CONSTANTS + ("x",)], ids=["computed", "constant"])
def test_quantize_and_dequantize_per_axis(tmp_path, dtype, constants):
    s, zero = np.array([0.5, 0.25, 2], np.float32), np.array([0, 3, 100], dtype)
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    check(tmp_path, "QuantizeLinear", {"x": x, "s": s, "zp": zero}, constants, axis=1)
    check(tmp_path, "DequantizeLinear", {"x": codes((2, 3, 4), dtype), "s": s, "zp": zero}, constants, 1e-6, axis=1)


@pytest.mark.parametrize("constants", [CONSTANTS, CONSTANTS + ("x",)], ids=["computed", "constant"])
def test_blocks(tmp_path, constants):
    s = rng.uniform(0.1, 1, (2, 2, 3)).astype(np.float32)
    zero = codes((2, 2, 3))
    check(tmp_path, "DequantizeLinear", {"x": codes((2, 4, 3)), "s": s, "zp": zero}, constants, 1e-5, axis=1, block_size=2)
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    check(tmp_path, "QuantizeLinear", {"x": x, "s": s, "zp": zero}, constants, axis=1, block_size=2)


def test_dynamic_quantization(tmp_path):
    for x in (rng.normal(size=(4, 9)), -rng.uniform(1, 2, (5,))):
        check(tmp_path, "DynamicQuantizeLinear", {"x": x.astype(np.float32)}, tolerance=1e-6, outputs=3)


@pytest.mark.parametrize("constants", [(), CONSTANTS], ids=["computed", "constant"])
def test_integer_products(tmp_path, constants):
    w, zero = factors((6, 5)), np.array(3, np.int8)
    check(tmp_path, "MatMulInteger", {"x": codes((4, 6)), "w": w, "xz": np.array(120, np.uint8), "wz": zero}, constants)
    inputs = {"x": codes((4, 6)), "w": w, "xs": scale(0.1), "ws": scale(np.full(5, 0.2)), "xz": np.array(7, np.uint8)}
    inputs |= {"wz": np.zeros(5, np.int8), "bias": np.ones(5, np.float32)}
    check(tmp_path, "MatMulIntegerToFloat", inputs, constants, 1e-3, domain=MS)
    inputs = {"x": rng.normal(size=(4, 6)).astype(np.float32), "w": w, "ws": scale(0.2), "wz": zero, "bias": np.ones(5, np.float32)}
    check(tmp_path, "DynamicQuantizeMatMul", inputs, constants, 1e-3, domain=MS)


@pytest.mark.parametrize("constants", [(), CONSTANTS], ids=["computed", "constant"])
def test_qlinear_products(tmp_path, constants):
    w = factors((6, 5))
    inputs = {"x": codes((4, 6)), "xs": scale(0.02), "xz": np.array(120, np.uint8), "w": w, "ws": scale(0.01)}
    inputs |= {"wz": np.array(0, np.int8), "ys": scale(0.1), "yz": np.array(9, np.uint8)}
    check(tmp_path, "QLinearMatMul", inputs, constants)
    gemm = {name: inputs[name] for name in ("x", "xs", "xz", "w", "ws", "wz")} | {"bias": rng.integers(-500, 500, 5).astype(np.int32)}
    check(tmp_path, "QGemm", gemm | {"ys": inputs["ys"], "yz": inputs["yz"]}, constants, domain=MS)
    check(tmp_path, "QGemm", gemm, constants, 1e-3, domain=MS)


@pytest.mark.parametrize("group", [1, 4])
def test_qlinear_convolution(tmp_path, group):
    w, ws = factors((8, 4 // group, 3, 3)), rng.uniform(0.001, 0.01, 8).astype(np.float32)
    inputs = {"x": codes((1, 4, 9, 9)), "xs": scale(0.02), "xz": np.array(120, np.uint8), "w": w, "ws": ws}
    inputs |= {"wz": np.zeros(8, np.int8), "ys": scale(0.05), "yz": np.array(110, np.uint8)}
    inputs |= {"bias": rng.integers(-500, 500, 8).astype(np.int32)}
    check(tmp_path, "QLinearConv", inputs, CONSTANTS, pads=[1, 1, 1, 1], strides=[2, 2], group=group)
    check(tmp_path, "ConvInteger", {"x": inputs["x"], "w": w.view(np.uint8), "xz": inputs["xz"]}, CONSTANTS, pads=[1] * 4, group=group)


Y = {"ys": scale(0.03), "yz": np.array(100, np.uint8)}


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu", "QLinearGlobalAveragePool", "QLinearSoftmax"])
def test_qlinear_unary(tmp_path, op):
    attributes = {"opset": 13} if op == "QLinearSoftmax" else {"channels_last": 0} if "Pool" in op else {}
    inputs = {"x": codes((2, 3, 4, 5)), "xs": scale(0.05), "xz": np.array(120, np.uint8)} | Y
    check(tmp_path, op, inputs, CONSTANTS, 1.0, domain=MS, **attributes)


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_qlinear_binary(tmp_path, op):
    inputs = {"x": codes((2, 3, 4)), "xs": scale(0.02), "xz": np.array(120, np.uint8)}
    inputs |= {"w": codes((3, 1)), "ws": scale(0.03), "wz": np.array(90, np.uint8)} | Y
    check(tmp_path, op, inputs, ("xs", "xz", "ws", "wz", "ys", "yz"), 1.0, domain=MS)


def test_qlinear_concat(tmp_path):
    inputs = Y | {"a": codes((2, 3)), "xs": scale(0.02), "xz": np.array(120, np.uint8)}
    inputs |= {"b": codes((2, 5)), "ws": scale(0.03), "wz": np.array(90, np.uint8)}
    check(tmp_path, "QLinearConcat", inputs, CONSTANTS, 1.0, domain=MS, axis=1)


@pytest.mark.parametrize("zeros", ["none", "packed", "float"])
@pytest.mark.parametrize("bits", [4, 8])
def test_low_bit_product(tmp_path, bits, zeros):
    n, k, block = 5, 40, 16
    blocks, row = 3, 3 * bits
    zero = {"none": None, "packed": codes(n * ((row + 7) // 8)), "float": rng.uniform(0, 15, n * blocks).astype(np.float32)}[zeros]
    inputs = {"x": rng.normal(size=(2, 3, k)).astype(np.float32), "w": codes((n, blocks, block * bits // 8))}
    inputs |= {"s": rng.uniform(0.01, 0.1, n * blocks).astype(np.float32), "zp": zero}
    if zeros == "float" and bits == 8:
        pytest.skip("the reference has no kernel for it")
    check(tmp_path, "MatMulNBits", inputs, CONSTANTS, 1e-3, domain=MS, K=k, N=n, bits=bits, block_size=block)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("with_zeros", [False, True])
def test_low_bit_lookup(tmp_path, bits, with_zeros):
    rows, k, block = 7, 64, 16
    inputs = {"w": codes((rows, k * bits // 8)), "ids": np.array([[0, 6, -1], [3, 3, 2]], np.int64)}
    inputs |= {"s": rng.uniform(0.01, 0.1, (rows, k // block)).astype(np.float32)}
    inputs |= {"zp": codes((rows, k // block * bits // 8)) if with_zeros else None}
    check(tmp_path, "GatherBlockQuantized", inputs, CONSTANTS, 1e-5, domain=MS, bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
