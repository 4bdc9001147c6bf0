"""The stock runtime in a process of its own that answers one question after another.

The parent sends (path, {input name: array}, [output names]) through a pipe and gets (arrays, None) or (None, text). If
the process dies, it is started again for the next question.
"""

import ctypes
import multiprocessing
import os
import pathlib
import resource
import tempfile

import numpy as np

MEMORY = 8 << 30
CONTEXT = multiprocessing.get_context("spawn")


class Crash(Exception):
    """The runtime died; the text says of what."""


class Runtime:
    def __init__(self):
        self.process = None
        self.log = pathlib.Path(tempfile.mkstemp(suffix=".log")[1])

    def run(self, path, feeds, outputs, seconds):
        """-> list of arrays. Raises Crash, or RuntimeError where the runtime reports an error."""
        if self.process is None:
            self.pipe, theirs = CONTEXT.Pipe()
            self.process = CONTEXT.Process(target=serve, args=(theirs, str(self.log)), daemon=True)
            self.process.start()
            theirs.close()
        self.log.write_text("")
        try:
            self.pipe.send((str(path), feeds, outputs))
            if not self.pipe.poll(seconds):
                self.close()
                raise Crash(f"no answer in {seconds} seconds")
            arrays, error = self.pipe.recv()
        except (EOFError, OSError) as ended:
            self.process.join(5)
            code = self.process.exitcode
            self.close()
            raise Crash(f"exit status {code}; {self.last_words()}") from ended
        if error is not None:
            raise RuntimeError(f"{error}; {self.last_words()}")
        return arrays

    def last_words(self):
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(line[:160] for line in lines[-2:])

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None


def serve(pipe, log):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer = infer(*question), None
        except Exception as error:
            answer = None, repr(error)
        ctypes.CDLL(None).fflush(None)
        pipe.send(answer)


def infer(path, feeds, outputs):
    import MNN.expr as expr
    import MNN.nn as nn

    types = {expr.float: np.float32, expr.int: np.int32, expr.uint8: np.uint8, expr.int8: np.int8}
    manager = nn.create_runtime_manager(({"backend": "CPU", "numThread": 1, "precision": "high"},))
    module = nn.load_module_from_file(path, [], outputs, runtime_manager=manager)
    info = module.get_info()
    inputs = []
    for name, declared in zip(info.get("inputNames", []), info.get("inputs", [])):
        array = feeds[name]
        if declared.dtype == expr.int and array.dtype.kind in "iu":
            array = np.clip(array, -(2**31), 2**31 - 1)
        with np.errstate(all="ignore"):
            values = array.astype(types[declared.dtype]).ravel().tolist()
        if values:
            inputs.append(expr.const(values, list(array.shape), expr.NCHW, declared.dtype))
        else:
            inputs.append(expr.placeholder(list(array.shape), expr.NCHW, declared.dtype))
    results = module.forward(inputs)
    if len(results) != len(outputs):
        raise RuntimeError(f"{len(results)} outputs instead of {len(outputs)}")
    arrays = []
    for result in results:
        shape = list(result.shape)
        if 0 in shape:
            arrays.append(np.zeros(shape, np.float32))
            continue
        if result.data_format != expr.NCHW:
            result = expr.convert(result, expr.NCHW)
        arrays.append(np.array(result.read()).reshape(shape))
    return arrays
