"""Random inputs for models of the ONNX folder, and onnxruntime's outputs for them."""

import json
import pathlib
import zlib

import numpy as np

# {"NAME": {"dims": {SYMBOL: SIZE}, "inputs": {NAME: {"shape": [], "range": [LOW, HIGH], "value": V, "kind": "picture" or "voice"}}}}
HINTS = json.loads((pathlib.Path(__file__).parent / "zoo_inputs.json").read_text(encoding="utf-8"))


def picture(rng, shape):
    """From 0 to 1 and smooth: a few plane waves."""
    grid = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij", sparse=True)
    parts = [(rng.uniform(-8, 8, len(shape)), rng.uniform(0, 6)) for _ in range(12)]
    wave = sum(np.cos(2 * np.pi * sum(f * x for f, x in zip(slopes, grid)) + phase) for slopes, phase in parts)
    return (wave - wave.min()) / np.ptp(wave)


def voice(rng, shape):
    """A vowel at 16 kHz along the longest axis: harmonics of a pitch under two formants, of any loudness up to 1."""
    moment, pitch, formants = np.arange(max(shape)) / 16000, rng.uniform(90, 250), (rng.uniform(250, 800), rng.uniform(900, 2600))
    parts = [(k, np.exp(-(((pitch * k - formant) / 150) ** 2)), rng.uniform(0, 6)) for k in range(1, 26) for formant in formants]
    wave = sum(height * np.sin(2 * np.pi * pitch * k * moment + phase) for k, height, phase in parts)
    line = [n if n == max(shape) else 1 for n in shape]
    return np.broadcast_to((rng.uniform(0.1, 1) * wave / np.abs(wave).max()).reshape(line), shape)


def content(rng, name, dtype, shape, hint, mild):
    """One input; mild: small numbers above 0."""
    low, high = hint.get("range", (-1, 1))
    if "value" in hint:
        return np.broadcast_to(np.array(hint["value"], dtype), shape).copy()
    if hint.get("kind") == "picture":
        return (low + (high - low) * picture(rng, shape)).astype(dtype)
    if hint.get("kind") == "voice":
        return (high * voice(rng, shape)).astype(dtype)
    if "range" in hint:
        return rng.uniform(low, high, shape).astype(dtype)
    if dtype.kind == "f":
        return (rng.uniform(0, 1, shape) if mild else rng.standard_normal(shape)).astype(dtype)
    if dtype.kind == "b" or "mask" in name:
        return np.full(shape, "mask" in name, dtype)
    if dtype.itemsize == 1:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    if "position" in name:
        return np.broadcast_to(np.arange(shape[-1] if shape else 1, dtype=dtype), shape).copy()
    return rng.integers(0, 2 if mild or "token_type" in name else 10, shape, dtype)


def session_of(source):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def feeds_of(session, hints, run, size, mild):
    """Inputs of one run; a free dimension that has no hint is 1 in front, else `size`."""
    kinds = {"float": "float32", "double": "float64"}
    sizes, known, values = hints.get("dims", {}), hints.get("inputs", {}), {}
    for entry in session.get_inputs():
        name = entry.type.removeprefix("tensor(").removesuffix(")")
        hint = known.get(entry.name, {})
        room = 4 * size if len(entry.shape) == 4 else size  # pictures are larger than sentences
        dims = [sizes.get(d, d if isinstance(d, int) else 1 if axis == 0 else room) for axis, d in enumerate(entry.shape)]
        rng = np.random.default_rng([run, zlib.crc32(entry.name.encode())])
        values[entry.name] = content(rng, entry.name.lower(), np.dtype(kinds.get(name, name)), hint.get("shape", dims), hint, mild)
    return values


def references(source, runs):
    """-> (feeds of every run, outputs of every run), with the first sizes that the model takes"""
    session, hints = session_of(source), HINTS.get(source.stem, {})
    names = [entry.name for entry in session.get_outputs()]
    for size, mild in ((size, mild) for size in (16, 64, 8, 4, 2, 1) for mild in (False, True)):
        feeds = [feeds_of(session, hints, run, size, mild) for run in range(runs)]
        try:
            outputs = [dict(zip(names, session.run(None, values))) for values in feeds]
        except Exception:  # onnxruntime's errors have no common base; other sizes may do
            continue
        if all(np.isfinite(value.astype(np.float64)).all() and value.size for output in outputs for value in output.values()):
            return feeds, outputs
    raise RuntimeError(f"{source} runs with no inputs that are known here: give it an entry in zoo_inputs.json")
