#!/usr/bin/env python3
"""Writes inputs for mnn_fuzz: layers of which only the weights that are not zero are stored, as floats (type 0) and as codes (type 2).

usage: sparse_seeds.py QUANTPRESS FOLDER
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
import sparse_models

SETTINGS = {
    "floats": [],
    "codes8": ["--weightQuantBits", "8"],
    "codes3": ["--weightQuantBits", "3", "--weightQuantAsymmetric", "1"],
    "codes4": ["--weightQuantBits", "4", "--weightQuantBlock", "16"],
}


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rng = np.random.default_rng(3)
    kernel = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    layers = [
        ("Conv", sparse_models.weights(rng, (16, 16, 3, 3), 0.9), np.zeros(16, np.float32), kernel, "Relu"),
        ("Conv", sparse_models.weights(rng, (16, 1, 3, 3), 0.8), None, {**kernel, "group": 16}, None),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / "sparse.onnx"
        sparse_models.save(source, layers, [1, 16, 8, 8])
        for name, options in SETTINGS.items():
            target = folder / f"sparse_{name}.mnn"
            subprocess.run([program, "convert", "--quiet", "--modelFile", source, "--MNNModel", target, "--detectSparseSpeedUp", *options], check=True)


if __name__ == "__main__":
    main()
