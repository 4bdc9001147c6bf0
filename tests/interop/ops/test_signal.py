"""Fourier transforms, windows and mel weights."""

import numpy as np
import pytest

from single_op import check

rng = np.random.default_rng(5)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("length", [None, 4, 9], ids=["whole", "cut", "padded"])
@pytest.mark.parametrize("constants", [(), ("length", "axis")], ids=["computed", "constant"])
@pytest.mark.parametrize("which", ["real", "onesided", "complex", "inverse"])
def test_dft(tmp_path, which, constants, length, opset):
    inputs = {"x": normal(2, 7, 3, 2 if which in ("complex", "inverse") else 1)}
    inputs["length"] = None if length is None else np.array(length, np.int64)
    attributes = {"inverse": int(which == "inverse"), "onesided": int(which == "onesided")}
    if opset == 20:
        inputs["axis"] = np.array(1, np.int64)
    else:
        attributes["axis"] = 1
    x = inputs["x"].astype(np.float64)
    x = x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0]
    y = {"inverse": np.fft.ifft, "onesided": np.fft.rfft}.get(which, np.fft.fft)(x, length, 1)
    wanted = {"y0": np.stack([y.real, y.imag], -1)}
    check(tmp_path, "DFT", inputs, constants, 1e-4, wanted, onnx_opset=opset, **attributes)


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("constants", [(), ("step", "window", "length")], ids=["computed", "constant"])
def test_stft(tmp_path, window, onesided, constants):
    inputs = {"x": normal(2, 50, 1), "step": np.array(5, np.int64)}
    inputs["window"] = np.hanning(16).astype(np.float32) if window else None
    inputs["length"] = np.array(16, np.int64)
    check(tmp_path, "STFT", inputs, constants, 1e-4, onesided=onesided, onnx_opset=17)


@pytest.mark.parametrize("constants", [(), ("size",)], ids=["computed", "constant"])
@pytest.mark.parametrize("periodic", [0, 1])
@pytest.mark.parametrize("op", ["HannWindow", "HammingWindow", "BlackmanWindow"])
def test_windows(tmp_path, op, periodic, constants):
    check(tmp_path, op, {"size": np.array(17, np.int64)}, constants, 1e-5, periodic=periodic, onnx_opset=17)


def test_mel_weights(tmp_path):
    inputs = {"bins": np.array(8, np.int64), "length": np.array(64, np.int64), "rate": np.array(8192, np.int64)}
    inputs |= {"low": np.array(0, np.float32), "high": np.array(4096, np.float32)}
    check(tmp_path, "MelWeightMatrix", inputs, (), 1e-4, onnx_opset=17)
