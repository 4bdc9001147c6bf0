"""The conversions that every model goes through, and the checks on one convolution of the result."""

import numpy as np

import formulas

HQQ4 = ["--weightQuantBits", "4", "--hqq", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32"]
VARIANTS = {
    "float": [],
    "fp16": ["--fp16"],
    "symmetric8": ["--weightQuantBits", "8"],
    "asymmetric4": ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "32"],
    "hqq4": HQQ4,
}


def check_weights(variant, quantized, plain):
    """The stored scales, offsets and codes of one convolution are those of the formulas, bit for bit."""
    where = f"{quantized.name} ({variant})"
    assert np.array_equal(quantized.bias, plain.bias), where
    if quantized.type == plain.type and (plain.codes is not None or quantized.type == -1):  # left as it was
        assert np.array_equal(quantized.weights, plain.weights), where
        return "float" if quantized.type == -1 else "kept"
    if quantized.type == 3:
        assert np.array_equal(quantized.weights, plain.weights.astype(np.float16).astype(np.float32)), where
        return "half"
    rows = plain.weights.reshape(len(quantized.scales), -1)
    if variant.startswith("symmetric"):
        expected = dict(zip(("codes", "scales"), formulas.symmetric(rows, quantized.bits)))
    elif variant.startswith("asymmetric"):
        expected = dict(zip(("codes", "scales", "minima"), formulas.asymmetric(rows, quantized.bits)))
    else:
        expected = dict(zip(("codes", "scales", "minima"), formulas.hqq(rows, quantized.bits)))
    for part, values in expected.items():
        stored = getattr(quantized, part)
        wrong = np.flatnonzero(stored.ravel() != values.ravel())
        assert not len(wrong), (
            f"{where}: {len(wrong)} of {values.size} {part} differ, the first at {wrong[0]}: "
            f"{stored.ravel()[wrong[0]]!r}, expected {values.ravel()[wrong[0]]!r}"
        )
    return "quantized"


def weight_error(quantized, plain):
    """Root-mean-square error over all weights of two files with the same convolutions; None where nothing is quantized."""
    if all(quantized[name].codes is None or plain[name].codes is not None for name in plain if name in quantized):
        return None
    shared = [
        (quantized[name].weights, plain[name].weights)
        for name in plain
        if name in quantized and quantized[name].weights.size == plain[name].weights.size
    ]
    assert shared, "the files have no convolution in common"
    total = sum(np.square(a.astype(np.float64) - b).sum() for a, b in shared)
    return float(np.sqrt(total / sum(a.size for a, _ in shared)))
