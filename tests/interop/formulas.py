"""The quantization formulas in plain numpy float32, one row per group: what the converter's bytes must be equal to."""

import numpy as np

ONE = np.float32(1)


def round_away(values):
    """To the nearest integer, halves away from zero."""
    whole = np.trunc(values)
    return whole + np.copysign((np.abs(values - whole) >= np.float32(0.5)).astype(np.float32), values)


def row_sums(values):
    """Sums in sequence, each step rounded to float32."""
    return np.add.accumulate(values, axis=1, dtype=np.float32)[:, -1]


def half(values):
    """The nearest half floats, none beyond the largest, as float32."""
    return np.clip(values, -65504, 65504).astype(np.float16).astype(np.float32)


def as_it_is(values):
    return values


def symmetric(rows, bits, stored=as_it_is):
    """-> codes, scales, which are rounded by `stored` before codes are taken"""
    top = np.float32(2 ** (bits - 1) - 1)
    scales = stored(np.abs(rows).max(1) / top)
    live = scales > np.float32(1e-6)
    codes = round_away(rows / np.where(live, scales, ONE)[:, None])
    codes = np.clip(codes, -top - 1, top) * live[:, None]
    return codes.astype(np.int8), scales


def asymmetric(rows, bits, stored=as_it_is):
    """-> codes, scales, minima"""
    low, high = np.float32(-(2 ** (bits - 1))), np.float32(2 ** (bits - 1) - 1)
    least = rows.min(1)
    minima, scales = stored(least), stored((rows.max(1) - least) / np.float32(2**bits - 1))
    live = scales > np.float32(1e-6)
    codes = round_away((rows - minima[:, None]) / np.where(live, scales, ONE)[:, None]) + low
    codes = np.where(live[:, None], np.clip(codes, low, high), low)
    return codes.astype(np.int8), scales, minima


def hqq(rows, bits, iterations=20):
    """-> codes, scales, minima. The power is taken in double precision and rounded."""
    top = np.float32(2**bits - 1)
    least, most = rows.min(1), rows.max(1)
    step = np.maximum((most - least) * (ONE / top), np.float32(1e-7))
    slope = ONE / step
    zero = slope * -least
    count = np.float32(rows.shape[1])
    scaled = rows * slope[:, None]
    for _ in range(iterations):
        q = np.clip(round_away(scaled + zero[:, None]), 0, top)
        residual = rows - (q - zero[:, None]) * (ONE / slope)[:, None]
        size = np.abs(residual)
        shrunk = np.zeros_like(size)
        large = size > 0.1  # smaller ones are shrunk to nothing: the root of x - x^-0.3 / 10 is 0.17
        grown = np.power(np.maximum(size[large], np.float32(1e-8)).astype(np.float64), np.float64(np.float32(-0.3)))
        shrunk[large] = np.maximum(size[large] - np.float32(0.1) * grown.astype(np.float32), np.float32(0))
        last, zero = zero, row_sums(q - (rows - np.sign(residual) * shrunk) * slope[:, None]) / count
        if np.array_equal(last, zero):  # the steps that are left change nothing
            break
    scales = ONE / slope
    minima = -(zero * scales)
    low = np.float32(-(2 ** (bits - 1)))
    codes = np.clip(round_away((rows - minima[:, None]) * slope[:, None] + low), low, -low - 1)
    return codes.astype(np.int8), scales, minima
