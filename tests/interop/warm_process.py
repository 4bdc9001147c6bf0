"""Calls a function in a process of its own that starts in milliseconds: it is forked from one that has only imported the slow modules.

The process can crash or hang without harm, and nothing is left of what it did: every call finds the modules as they were imported.
"""

import functools
import importlib
import multiprocessing.forkserver
import os
import pathlib
import tempfile

# numpy's threads would be there before the fork, and be missing after it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["numpy", "MNN.expr", "MNN.nn", "_tools"])


class Failed(Exception):
    """The function raised something, or its process ended or hung; the text has its output."""


@functools.cache
def start():
    """Starts the process that the others are forked from. The wheel prints while it is imported: not to our output."""
    saved, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nothing)


def call(module, function, *arguments, seconds, folder="."):
    """-> (what the function of that name returns, what its process printed). The module is imported there only; `folder`: where it runs."""
    start()
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=serve, args=(sender, log.name, str(folder), module, function, arguments))
        process.start()
        sender.close()
        try:
            if not receiver.poll(seconds):
                process.kill()
            answer = receiver.recv()
        except EOFError:
            answer = None
        finally:
            receiver.close()
            process.join(seconds)
            process.kill()
            process.join()
        output = pathlib.Path(log.name).read_text(errors="replace")
    if answer is None:
        raise Failed(f"status {process.exitcode}\n{output[-4000:]}")
    return answer[0], output


def serve(pipe, log, folder, module, function, arguments):
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    pipe.send((getattr(importlib.import_module(module), function)(*arguments),))
