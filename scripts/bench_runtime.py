"""Compares our float models with the stock converter's on the stock runtime.

    python scripts/bench_runtime.py --python PYTHON_WITH_MNN [--models FOLDER] [--only PATTERN] [--json FILE]

Both models of a source run in one process, in turn, one thread each; the figure is the median CPU time of a run. Dynamic
dimensions get --size (a leading one: 1); BENCH_SHAPES, a JSON object, sets them by name, BENCH_SECONDS limits each model.
A model that one side does not convert, or that does not run, has no figure on that side.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

STOCK = "import sys, _tools; _tools.mnnconvert(['mnnconvert'] + sys.argv[1:])"

WORKER = r"""
import json, os, statistics, sys, time
import MNN, MNN.expr as F, MNN.nn as nn, numpy as np
source, size, rounds, *paths = sys.argv[1:]
import onnx
graph = onnx.load(source, load_external_data=False).graph
stored = {i.name for i in graph.initializer}
random = np.random.default_rng(1)
types = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int32, 9: np.int32, 10: np.float32, 11: np.float32}
feeds = []
fixed = json.loads(os.environ.get('BENCH_SHAPES', '{}'))
for i in graph.input:
    if i.name in stored:
        continue
    t = i.type.tensor_type
    shape = []
    for k, d in enumerate(t.shape.dim):
        if d.HasField('dim_value'):
            shape.append(d.dim_value)
        else:
            shape.append(fixed.get(d.dim_param, 1 if k == 0 else int(size)))
    dtype = types[t.elem_type]
    feeds.append((i.name, shape, dtype))
names = [o.name for o in graph.output]

def load(path):
    config = {'backend': 0, 'numThread': 1, 'precision': 1}
    runtime = nn.create_runtime_manager((config,))
    return nn.load_module_from_file(path, [n for n, _, _ in feeds], names, runtime_manager=runtime), runtime

HELD = {np.float32: F.float, np.int32: F.int, np.uint8: F.uint8, np.int8: F.int8}

# Every round has new data, the same for all models: with unchanged integer inputs the runtime skips work.
def new_data():
    return [random.standard_normal(shape).astype(dtype) if dtype == np.float32 else random.integers(0, 2, shape).astype(dtype)
            for _, shape, dtype in feeds]

modules = [load(p) for p in paths]
times = [[] for _ in paths]

def run(module, data):
    inputs = [F.const(values, shape, F.NCHW, HELD[dtype]) for values, (_, shape, dtype) in zip(data, feeds)]
    cpu = time.process_time()
    outputs = module[0].forward(inputs)
    if not outputs:
        raise RuntimeError('forward failed')
    for o in outputs:
        np.array(F.convert(o, F.NCHW).read() if o.data_format == F.NC4HW4 else o.read())
    return time.process_time() - cpu

data = new_data()
for m in modules:
    run(m, data)
budget = time.perf_counter() + float(os.environ.get('BENCH_SECONDS', '6'))
n = 0
while (n < int(rounds) and time.perf_counter() < budget) or n < 5:
    order = range(len(modules)) if n % 2 == 0 else reversed(range(len(modules)))
    data = new_data()
    for k in order:
        times[k].append(run(modules[k], data))
    n += 1
print(json.dumps({'medians': [statistics.median(t) for t in times], 'lowest': [min(t) for t in times], 'rounds': n}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get("QUANTPRESS_PYTHON", sys.executable))
    parser.add_argument("--models", type=pathlib.Path, default=ROOT.parent / "shared/models")
    parser.add_argument("--binary", default=str(ROOT / "build/release/tools/quantpress"))
    parser.add_argument("--only", default="*")
    parser.add_argument("--size", type=int, default=16, help="of a dynamic dimension")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = pathlib.Path(os.environ.get("QUANTPRESS_MODELS", arguments.models)) / "onnx"
    if not folder.is_dir():
        print("SKIPPED: no model folder")
        return 0
    rows = []
    print(f"{'model':34} {'ours ms':>9} {'stock ms':>9} {'stock/ours':>10} {'rounds':>7}")
    with tempfile.TemporaryDirectory() as scratch:
        for source in sorted(folder.glob("*.onnx")):
            if fnmatch.fnmatch(source.stem, arguments.only):
                rows.append(compare(source, pathlib.Path(scratch), arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def call(command, scratch, timeout=300):
    try:
        return subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return None


def run(source, paths, scratch, arguments):
    command = [arguments.python, "-c", WORKER, str(source), str(arguments.size), str(arguments.rounds), *map(str, paths)]
    done = call(command, scratch)
    if done is None or done.returncode != 0:
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(source, scratch, arguments):
    ours, stock = scratch / f"{source.stem}.ours.mnn", scratch / f"{source.stem}.stock.mnn"
    call([arguments.binary, "convert", "--quiet", "--modelFile", source, "--MNNModel", ours], scratch)
    call([arguments.python, "-c", STOCK, "-f", "ONNX", "--modelFile", source, "--MNNModel", stock, "--bizCode", "x"], scratch)
    row = {"model": source.name, "ours_ms": None, "stock_ms": None, "rounds": 0}
    present = [("ours_ms", ours), ("stock_ms", stock)]
    present = [(key, path) for key, path in present if path.exists()]
    result = run(source, [p for _, p in present], scratch, arguments) if present else None
    if result is None and len(present) == 2:  # one of them does not run: the other alone
        for key, path in present:
            result = run(source, [path], scratch, arguments)
            if result is not None:
                present = [(key, path)]
                break
    if result is not None:
        row["rounds"] = result["rounds"]
        for (key, _), median in zip(present, result["medians"]):
            row[key] = median * 1e3
    ours_ms, stock_ms = row["ours_ms"], row["stock_ms"]
    ratio = stock_ms / ours_ms if ours_ms and stock_ms else None

    def show(value, digits):
        return "-" if value is None else f"{value:.{digits}f}"

    print(f"{source.stem:34} {show(ours_ms, 3):>9} {show(stock_ms, 3):>9} {show(ratio, 2):>10} {row['rounds']:>7}", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
