"""Element-wise operators where the stock runtime needs help: bit-pattern comparisons, wide integers, ties, narrow types."""

import numpy as np
import pytest

from single_op import check

VALUES = np.array([-np.inf, -5.5, -2, -1, -0.0, 0, 1, 2, 5.5, 16777217, np.inf, np.nan], np.float32)
SHAPES = [
    ((64,), (64,)),
    ((37,), ()),
    ((), (37,)),
    ((8, 1), (1, 8)),
    ((4, 1, 3), (1, 5, 1)),
    ((4, 5, 6), (5, 1)),
    ((3, 16), (16,)),
    ((), ()),
]
WIDE = np.array([-(2**31) + 1, -16777217, -65537, -1, 0, 1, 3, 65537, 16777217, 2**31 - 1], np.int32)


def pick(values, shape, seed):
    return np.random.default_rng(seed).choice(values, shape).astype(values.dtype)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("op", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_float_comparisons(tmp_path, op, shapes):
    check(tmp_path, op, {"a": pick(VALUES, shapes[0], 1), "b": pick(VALUES, shapes[1], 2)})


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("op", ["Mul", "Max", "Min", "Add", "Sub"])
def test_wide_integers_are_exact(tmp_path, op, shapes):
    check(tmp_path, op, {"a": pick(WIDE, shapes[0], 1), "b": pick(WIDE, shapes[1], 2)})


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_where_broadcasts_either_operand(tmp_path, shapes):
    out = np.broadcast_shapes(*shapes)
    for condition in (out, (1,)):
        inputs = {"c": pick(np.array([False, True]), condition, 3), "a": pick(VALUES, shapes[0], 1), "b": pick(VALUES, shapes[1], 2)}
        check(tmp_path, "Where", inputs)
        check(tmp_path, "Where", {"c": inputs["c"], "a": inputs["b"], "b": inputs["a"]})


@pytest.mark.parametrize("op", ["Abs", "Neg", "Sign"])
def test_wide_integers_unary(tmp_path, op):
    check(tmp_path, op, {"x": WIDE})


def test_round_is_half_to_even(tmp_path):
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49999, 1e10, np.inf, -np.inf, np.nan, 4194303.5], np.float32)
    check(tmp_path, "Round", {"x": x})


@pytest.mark.parametrize("fmod", [0, 1])
def test_integer_remainders(tmp_path, fmod):
    a, b = np.array([-7, -7, 7, 7, -6, 0], np.int32), np.array([2, -2, 2, -2, 3, 5], np.int32)
    check(tmp_path, "Mod", {"a": a, "b": b}, fmod=fmod)


@pytest.mark.parametrize("to", [2, 3, 4, 5, 6, 7, 9], ids="uint8 int8 uint16 int16 int32 int64 bool".split())
def test_integers_wrap_around_in_narrower_types(tmp_path, to):
    x = np.array([-300, -129, -1, 0, 1, 127, 128, 255, 256, 70000], np.int32)
    check(tmp_path, "Cast", {"x": x}, to=to)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_narrow_arithmetic_wraps_around(tmp_path, op, dtype):
    x = np.array([0, 1, 7, 100, 127], dtype)
    check(tmp_path, op, {"a": x, "b": x[::-1].copy()}, onnx_opset=14)


@pytest.mark.parametrize("op", ["IsNaN", "IsInf"])
def test_special_numbers(tmp_path, op):
    check(tmp_path, op, {"x": VALUES}, onnx_opset=13 if op == "IsNaN" else 10)


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_index_of_the_extreme(tmp_path, op, last, dtype):
    x = np.array([[-1, 3, 3, -2], [5, 5, -7, 5], [-1, -2, -1, -2]], dtype)
    for axis in (0, 1):
        check(tmp_path, op, {"x": x}, axis=axis, select_last_index=last)
