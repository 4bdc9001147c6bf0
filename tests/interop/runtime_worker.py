"""Runs one .mnn file on the stock runtime. A bad file can end the process, so it has one of its own (clients.run_mnn)."""

import MNN.expr as F
import MNN.nn as nn
import numpy as np

KINDS = {F.float: np.float32, F.int: np.int32, F.uint8: np.uint8, F.int8: np.int8}


class Model:
    """memory: normal or low; layout of inputs and outputs that the runtime packs: NCHW or NHWC"""

    def __init__(self, path, memory, layout):
        # The wheel takes the memory mode as a number only; a word is ignored without a message.
        config = {"backend": "CPU", "numThread": 1, "precision": "high", "memory": {"normal": 0, "low": 2}[memory]}
        # The module does not keep it alive, and then reads a configuration that is gone.
        self.manager = nn.create_runtime_manager((config,))
        self.module = nn.load_module_from_file(path, [], [], runtime_manager=self.manager)
        info = self.module.get_info()
        self.inputs = list(zip(info["inputNames"], info["inputs"]))
        self.outputs = info["outputNames"]
        self.layout = F.NHWC if layout == "NHWC" else F.NCHW

    def variables(self, feeds):
        missing = {name for name, _ in self.inputs} - set(feeds)
        if missing:
            raise ValueError(f"no data for inputs {sorted(missing)}")
        return [self.variable(port, feeds[name]) for name, port in self.inputs]

    def variable(self, port, array):
        packed = port.data_format == F.NC4HW4
        array = np.asarray(array).astype(KINDS[port.dtype])
        # A flat list: const() reads int64 arrays as int32 and refuses some element types and 0-d arrays.
        var = F.const(array.ravel().tolist(), list(array.shape), self.layout if packed else port.data_format, port.dtype)
        return F.convert(var, F.NC4HW4) if packed else var

    def forward(self, variables):
        results = self.module.forward(variables)
        if len(results) != len(self.outputs):
            raise ValueError(f"forward gave {len(results)} of {len(self.outputs)} outputs")
        return results

    def arrays(self, results):
        return {name: self.array(var) for name, var in zip(self.outputs, results)}

    def array(self, var):
        if 0 in var.shape:  # read() fails on an empty tensor
            return np.zeros(var.shape, np.float32)
        if var.data_format == F.NC4HW4:  # read() would give packed data under the plain shape
            var = F.convert(var, self.layout)
        return np.array(var.read())


def run(path, inputs, memory, layout):
    """-> a list of {output name: array}, one for each {input name: array} of `inputs`; the model is loaded once"""
    model = Model(path, memory, layout)
    return [model.arrays(model.forward(model.variables(feeds))) for feeds in inputs]


def convert(options):
    """The converter of the MNN wheel."""
    import _tools

    _tools.mnnconvert(["mnnconvert", *options])
