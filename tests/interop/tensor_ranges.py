"""Runs one .mnn file on the stock runtime and writes the largest magnitude of each tensor: what a recipe for int8 is made of.

usage: tensor_ranges.py MODEL INPUTS.npz RANGES.json LAYOUT NAMES.json      NAMES.json: names of tensors
"""

import json
import pathlib
import sys

import MNN.expr as F
import MNN.nn as nn
import numpy as np

MODEL, FEEDS, RESULT, LAYOUT, NAMES = sys.argv[1:]
PLAIN = F.NHWC if LAYOUT == "NHWC" else F.NCHW
KINDS = {F.float: np.float32, F.int: np.int32, F.uint8: np.uint8, F.int8: np.int8}

manager = nn.create_runtime_manager(({"backend": "CPU", "numThread": 1, "precision": "high", "memory": 0},))
names = json.loads(pathlib.Path(NAMES).read_text())
feeds = dict(np.load(FEEDS))
info = nn.load_module_from_file(MODEL, [], [], runtime_manager=manager).get_info()
module = nn.load_module_from_file(MODEL, info["inputNames"], names, runtime_manager=manager)


def variable(port, array):
    packed = port.data_format == F.NC4HW4
    array = np.asarray(array).astype(KINDS[port.dtype])
    var = F.const(array.ravel().tolist(), list(array.shape), PLAIN if packed else port.data_format, port.dtype)
    return F.convert(var, F.NC4HW4) if packed else var


results = module.forward([variable(port, feeds[name]) for name, port in zip(info["inputNames"], info["inputs"])])
if len(results) != len(names):
    sys.exit(f"forward gave {len(results)} of {len(names)} tensors")


def largest(var):
    if var.data_format == F.NC4HW4:  # read() would give packed data under the plain shape
        var = F.convert(var, F.NCHW)
    return float(np.abs(np.array(var.read())).max())


pathlib.Path(RESULT).write_text(json.dumps({name: largest(var) for name, var in zip(names, results)}))
