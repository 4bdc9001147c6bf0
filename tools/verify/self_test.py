"""Runs a model on the stock runtime and compares its outputs with references. Carried by quantpress, which starts it.

usage: python -c SCRIPT MODEL FOLDER LAYOUT RESULT [CONFIG]      LAYOUT: NCHW or NHWC, the model's default

RESULT becomes JSON: {"missing": TEXT} where there is no runtime, {"error": TEXT}, or {"outputs": [...]} with for each output its name and
either "skipped", "problem" (a text), or "largest" and "difference" (and "short", a text, for a reference with too few numbers). Only the standard library and MNN are used.
"""

import json
import math
import os
import sys

MODEL, FOLDER, LAYOUT, RESULT = sys.argv[1:5]
CONFIG = sys.argv[5] if len(sys.argv) > 5 else None
FIELDS = {"backend": 0, "mode": 2, "precision": 1, "memory": 0, "power": 0}
NAMES = {"backend": "backend", "mode": "numThread", "precision": "precision", "memory": "memory", "power": "power"}
INIT_THREADS = 13  # the hint that the stock converter gives besides


class Problem(Exception):
    """What the user is told."""


def finish(**result):
    with open(RESULT + ".part", "w", encoding="utf-8") as out:
        json.dump(result, out)
    os.rename(RESULT + ".part", RESULT)
    sys.exit(0)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as source:
            return json.load(source)
    except OSError as error:
        raise Problem(f"'{path}': {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Problem(f"'{path}': not valid JSON: {error}") from error


def need(condition, path, text):
    if not condition:
        raise Problem(f"'{path}': {text}")


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def read_test(path):
    test = read_json(path)
    need(isinstance(test, dict), path, "expected an object")
    inputs, outputs = test.get("inputs"), test.get("outputs")
    need(isinstance(inputs, list), path, '"inputs" must be a list')
    need(isinstance(outputs, list) and outputs, path, '"outputs" must be a list of names')
    need(all(isinstance(name, str) for name in outputs), path, '"outputs" must be a list of names')
    for port in inputs:
        need(isinstance(port, dict) and isinstance(port.get("name"), str), path, "an input must have a name")
        shape, value = port.get("shape"), port.get("value")
        good = shape is None or (isinstance(shape, list) and all(is_int(n) and n >= 0 for n in shape))
        need(good, path, f"\"shape\" of input '{port['name']}' must be a list of sizes")
        good = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        need(good, path, f"\"value\" of input '{port['name']}' must be a number")
    return inputs, outputs


def read_config(path):
    settings, hints = dict(FIELDS), []
    config = read_json(path) if path else {}
    if path:
        need(isinstance(config, dict), path, "expected an object")
        for key in FIELDS:
            if key in config:
                need(is_int(config[key]), path, f'"{key}" must be a whole number')
                settings[key] = config[key]
        hints = config.get("hints", [])
        need(isinstance(hints, list) and len(hints) % 2 == 0 and all(map(is_int, hints)), path, '"hints" must be pairs of whole numbers')
    return {NAMES[key]: value for key, value in settings.items()}, list(zip(hints[::2], hints[1::2]))


def numbers(path):
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            return [float(word) for word in source.read().split()]
    except OSError as error:
        raise Problem(f"'{path}': {error.strerror}") from error
    except ValueError as error:
        raise Problem(f"'{path}': {error}") from error


def product(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def unpacked(values, shape):
    """From packs of four channels to one channel after the other."""
    channels, plane = shape[1], product(shape[2:])
    return [values[(c // 4 * plane + i) * 4 + c % 4] for c in range(channels) for i in range(plane)]


def input_variable(F, spec, port):
    name, dtype, layout = spec["name"], port.dtype, port.data_format
    plain = F.NHWC if LAYOUT == "NHWC" else F.NCHW
    shape = spec.get("shape")
    packed = False
    if shape is not None:
        source = plain
    else:
        shape = list(port.shape)
        need(all(size >= 0 for size in shape), MODEL, f"input '{name}' has no fixed shape {shape}; give its \"shape\" in input.json")
        packed = layout == F.NC4HW4
        source = F.NCHW if packed else layout
        need(not packed or "value" in spec or shape[0] == 1, MODEL, f"input '{name}' is packed, with a batch; give its \"shape\" in input.json")
    count = product(shape)
    if spec.get("value") is not None:
        values = [spec["value"]] * count
    else:
        path = os.path.join(FOLDER, name + ".txt")
        values = numbers(path)
        in_file = (shape[1] + 3) // 4 * 4 * product(shape[2:]) if packed else count
        need(len(values) >= in_file, path, f"{len(values)} numbers; input '{name}' of shape {shape} needs {in_file}")
        values = unpacked(values, shape) if packed else values[:count]
    if dtype != F.float:
        values = [int(value) for value in values]
    variable = F.const(values, shape, source, dtype)
    return F.convert(variable, F.NC4HW4) if layout == F.NC4HW4 else variable


def values_of(F, variable):
    if product(variable.shape) == 0:
        return []
    if variable.data_format == F.NC4HW4:
        variable = F.convert(variable, F.NHWC if LAYOUT == "NHWC" else F.NCHW)
    if variable.dtype != F.float:
        variable = F.cast(variable, F.float)
    return [float(value) for value in variable.read_as_tuple()]


def compare(F, variable, name, index):
    paths = [os.path.join(FOLDER, part + ".txt") for part in (name, str(index))]
    path = next((path for path in paths if os.path.exists(path)), None)
    if path is None:
        return {"name": name, "skipped": True}
    reference = numbers(path)
    values = values_of(F, variable)
    if not all(map(math.isfinite, values)):
        return {"name": name, "problem": "the output has NaN or infinite values"}
    given = len(reference)
    reference = reference[: len(values)] + [0.0] * (len(values) - given)
    largest = max(map(abs, reference), default=0.0)
    difference = max((abs(a - b) for a, b in zip(reference, values)), default=0.0)
    if not math.isfinite(largest):
        return {"name": name, "problem": f"the reference '{path}' has NaN or infinite values"}
    result = {"name": name, "largest": largest, "difference": difference}
    return dict(result, short=f"'{path}' has {given} of {len(values)} numbers") if given < len(values) else result


def load(nn, settings, hints, inputs, outputs):
    manager = nn.create_runtime_manager((settings,))  # must live as long as the module
    for hint, value in [(INIT_THREADS, 2)] + hints:
        manager.set_hint(hint, value)
    module = nn.load_module_from_file(MODEL, inputs, outputs, runtime_manager=manager)
    return manager, module


def run():
    inputs, outputs = read_test(os.path.join(FOLDER, "input.json"))
    settings, hints = read_config(CONFIG)
    try:
        import MNN.expr as F
        import MNN.nn as nn
    except ImportError as error:
        finish(missing=f"{sys.executable}: {error}")
    # What the model's inputs are is only told where no names are given.
    manager, everything = load(nn, settings, hints, [], [])
    info = everything.get_info()
    ports = dict(zip(info["inputNames"], info["inputs"]))
    for spec in inputs:
        need(spec["name"] in ports, MODEL, f"no input '{spec['name']}'; the model has {sorted(ports)}")
    try:
        manager, module = load(nn, settings, hints, [spec["name"] for spec in inputs], outputs)
    except (RuntimeError, SystemError) as error:
        raise Problem(f"'{MODEL}': the runtime cannot load it with the outputs {outputs}; it has {info['outputNames']}") from error
    results = module.forward([input_variable(F, spec, ports[spec["name"]]) for spec in inputs])
    results = results if isinstance(results, (list, tuple)) else [results]
    need(len(results) == len(outputs), MODEL, f"the runtime gave {len(results)} of {len(outputs)} outputs")
    finish(outputs=[compare(F, variable, name, i) for i, (name, variable) in enumerate(zip(outputs, results))])


try:
    run()
except Problem as problem:
    finish(error=str(problem))
except (RuntimeError, SystemError, TypeError, ValueError, MemoryError) as error:
    finish(error=f"the runtime cannot run '{MODEL}': {type(error).__name__}: {error}")
