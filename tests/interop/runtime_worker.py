"""Runs one .mnn file on the stock runtime. A bad file can end the process, so it has one of its own (clients.run_mnn)."""

import MNN.expr as F
import MNN.nn as nn
import numpy as np

KINDS = {F.float: np.float32, F.int: np.int32, F.uint8: np.uint8, F.int8: np.int8}


def variable(port, array, plain):
    packed = port.data_format == F.NC4HW4
    array = np.asarray(array).astype(KINDS[port.dtype])
    # A flat list: const() reads int64 arrays as int32 and refuses some element types and 0-d arrays.
    var = F.const(array.ravel().tolist(), list(array.shape), plain if packed else port.data_format, port.dtype)
    return F.convert(var, F.NC4HW4) if packed else var


def array_of(var, plain):
    if 0 in var.shape:  # read() fails on an empty tensor
        return np.zeros(var.shape, np.float32)
    if var.data_format == F.NC4HW4:  # read() would give packed data under the plain shape
        var = F.convert(var, plain)
    return np.array(var.read())


def run(model, inputs, memory, layout):
    """-> a list of {output name: array}, one for each {input name: array} of `inputs`; the model is loaded once.

    memory: normal or low; layout: NCHW or NHWC"""
    # The wheel takes the memory mode as a number only; a word is ignored without a message.
    config = {"backend": "CPU", "numThread": 1, "precision": "high", "memory": {"normal": 0, "low": 2}[memory]}
    module = nn.load_module_from_file(model, [], [], runtime_manager=nn.create_runtime_manager((config,)))
    info = module.get_info()
    names = info["outputNames"]
    plain = F.NHWC if layout == "NHWC" else F.NCHW
    answers = []
    for feeds in inputs:
        missing = set(info["inputNames"]) - set(feeds)
        if missing:
            raise ValueError(f"no data for inputs {sorted(missing)}")
        results = module.forward([variable(port, feeds[name], plain) for name, port in zip(info["inputNames"], info["inputs"])])
        if len(results) != len(names):
            raise ValueError(f"forward gave {len(results)} of {len(names)} outputs")
        answers.append({name: array_of(var, plain) for name, var in zip(names, results)})
    return answers


def convert(options):
    """The converter of the MNN wheel."""
    import _tools

    _tools.mnnconvert(["mnnconvert", *options])
