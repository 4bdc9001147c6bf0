"""Runs one .mnn file on the stock runtime. A bad file can end the process, so tests start this one (clients.run_mnn).

usage: runtime_worker.py MODEL INPUTS.npz OUTPUTS.npz MEMORY LAYOUT [INPUTS.npz OUTPUTS.npz]...
       MEMORY: normal or low; LAYOUT: NCHW or NHWC; the model is loaded once for all inputs
"""

import sys

import MNN.expr as F
import MNN.nn as nn
import numpy as np

MODEL, FEEDS, RESULTS, MEMORY, LAYOUT, *MORE = sys.argv[1:]
PLAIN = F.NHWC if LAYOUT == "NHWC" else F.NCHW
KINDS = {F.float: np.float32, F.int: np.int32, F.uint8: np.uint8, F.int8: np.int8}

# The wheel takes the memory mode as a number only; a word is ignored without a message.
config = {"backend": "CPU", "numThread": 1, "precision": "high", "memory": {"normal": 0, "low": 2}[MEMORY]}
manager = nn.create_runtime_manager((config,))


def load(inputs, outputs):
    return nn.load_module_from_file(MODEL, inputs, outputs, runtime_manager=manager)


def variable(port, array):
    packed = port.data_format == F.NC4HW4
    array = np.asarray(array).astype(KINDS[port.dtype])
    # A flat list: const() reads int64 arrays as int32 and refuses some element types and 0-d arrays.
    var = F.const(array.ravel().tolist(), list(array.shape), PLAIN if packed else port.data_format, port.dtype)
    return F.convert(var, F.NC4HW4) if packed else var


def array_of(var):
    if 0 in var.shape:  # read() fails on an empty tensor
        return np.zeros(var.shape, np.float32)
    if var.data_format == F.NC4HW4:  # read() would give packed data under the plain shape
        var = F.convert(var, PLAIN)
    return np.array(var.read())


module = load([], [])
info = module.get_info()
outputs = info["outputNames"]
for source, target in [(FEEDS, RESULTS), *zip(MORE[::2], MORE[1::2])]:
    feeds = dict(np.load(source))
    missing = set(info["inputNames"]) - set(feeds)
    if missing:
        sys.exit(f"no data for inputs {sorted(missing)}")
    results = module.forward([variable(port, feeds[name]) for name, port in zip(info["inputNames"], info["inputs"])])
    if len(results) != len(outputs):
        sys.exit(f"forward gave {len(results)} of {len(outputs)} outputs")
    np.savez(target, **{name: array_of(var) for name, var in zip(outputs, results)})
