"""scripts/bench runtime: our float models beside the stock converter's, on the stock runtime.

Both models of a source run in one process, in turn, one thread each, with the same inputs (tests/interop/zoo_inputs.py), which are
new in every round: with integer inputs that do not change the runtime skips work. The figure is the median CPU time of a run.
"""

import statistics
import subprocess
import time

import bench_common as common
import clients
import warm_process
import zoo_inputs

CONVERTERS = {"ours": clients.convert, "stock": clients.stock_convert}
INPUTS = 8  # different ones
SECONDS = 6  # for each model, five rounds at least


def time_models(paths, inputs, seconds):
    """Runs in a process of its own. -> seconds of every run, one list for each model"""
    import runtime_worker

    models = [runtime_worker.Model(path, "normal", "NCHW") for path in paths]
    times = [[] for _ in models]
    start, turn = time.monotonic(), -1
    while turn < 5 or time.monotonic() < start + seconds:
        order = range(len(models)) if turn % 2 == 0 else reversed(range(len(models)))
        for k in order:
            fed = models[k].variables(inputs[turn % len(inputs)])
            begin = time.process_time()
            models[k].arrays(models[k].forward(fed))
            if turn >= 0:  # the first run prepares
                times[k].append(time.process_time() - begin)
        turn += 1
    return times


def compare(source, folder):
    """-> {converter: milliseconds, or a text that says why there are none}"""
    row, paths = {"model": source.stem}, {}
    inputs, _ = zoo_inputs.references(source, INPUTS)
    for who, convert in CONVERTERS.items():
        path = folder / f"{source.stem}.{who}.mnn"
        try:
            convert(source, path)
            clients.run_mnn(path, inputs[0])
            paths[who] = path
        except (clients.ClientError, subprocess.TimeoutExpired):
            row[who] = "does not run" if path.exists() else "not converted"
    names = [str(path.resolve()) for path in paths.values()]
    times, _ = warm_process.call("bench_runtime", "time_models", names, inputs, SECONDS, seconds=clients.TIME_LIMIT)
    row |= {who: 1e3 * statistics.median(found) for who, found in zip(paths, times)}
    for path in paths.values():
        path.unlink()
    return row


def cell(value):
    return value if isinstance(value, str) else f"{value:.3g}"


def run(args):
    rows = []
    for source in sorted((clients.MODELS / "onnx").glob("*.onnx")):
        if args.only in source.stem:
            rows.append(compare(source, args.folder))
            print(rows[-1], flush=True)
    if not rows:
        raise SystemExit(f"no models in {clients.MODELS} (set QUANTPRESS_MODELS)")
    facts = common.machine()
    common.write_results(args, "runtime", facts, rows)
    text = f"{common.described(facts)}, one thread, float, high precision; milliseconds of CPU time, median of {SECONDS} s of runs.\n\n"
    text += "| model | ours | stock | stock / ours |\n|---|---|---|---|\n"
    for row in rows:
        measured = not isinstance(row["ours"], str) and not isinstance(row["stock"], str)
        ratio = f"{row['stock'] / row['ours']:.2f}" if measured else ""
        text += f"| {row['model']} | {cell(row['ours'])} | {cell(row['stock'])} | {ratio} |\n"
    print("\n" + text)
    if args.write_docs:
        common.write_docs("runtime", text)
