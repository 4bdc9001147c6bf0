"""scripts/bench speed: whole conversions against the stock converter."""

import dataclasses
import os
import pathlib
import statistics
import tempfile

import bench_common as common
from bench_common import EIGHT_BITS, HQQ, MIN_MAX, THREADS, Case, clients, ours, read_once, remove, stock
from make_transformer import make
from measure import measure

import mnn_file  # noqa: E402  (bench_common has its folder on the path)


def same_weights(first, second):
    """Both files hold the same layers, decoded to about the same numbers."""
    nets = [mnn_file.Net(path) for path in (first, second)]
    names = [net.convolution_names() for net in nets]
    if len(names[0]) != len(names[1]):
        raise RuntimeError(f"{first} has {len(names[0])} layers with weights, {second} has {len(names[1])}")
    for pair in (0, -1):  # decoding all would take longer than the conversions
        left, right = (net.convolutions([part[pair]])[part[pair]] for net, part in zip(nets, names))
        if clients.relative_rms(left.weights, right.weights) > 0.15:
            raise RuntimeError(f"the weights of {left.name} in {first} and {second} are not alike")


def compare(case, folder, repeat):
    """Runs the converters in turn. -> one row for each number of threads"""
    read_once(case.source)
    data = pathlib.Path(f"{case.source}.data")
    if data.exists():
        read_once(data)
    programs = {
        f"ours {threads}": (folder / f"ours{threads}.mnn", lambda target, n=threads: ours(case, target, n))
        for threads in THREADS
    }
    programs["stock"] = (folder / "stock.mnn", lambda target: stock(case, target))
    results = {name: [] for name in programs}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # the stock converter leaves files where it runs
        for _ in range(repeat):
            for name, (target, command) in programs.items():
                if not case.replaces:
                    remove(target)
                elif not target.exists():
                    measure(command(target), cwd=scratch)
                os.sync()  # what one program left to be written back must not slow down the next
                results[name].append(measure(command(target), cwd=scratch))
    outputs = {name: target for name, (target, _) in programs.items()}
    first, second = (outputs[f"ours {threads}"] for threads in THREADS)
    if first.read_bytes() != second.read_bytes():
        raise RuntimeError(f"{case.name}: the output depends on the number of threads")
    if case.weights:
        same_weights(first, outputs["stock"])
    size = first.stat().st_size
    for target in outputs.values():
        remove(target)

    def middle(name, field):
        return statistics.median(getattr(result, field) for result in results[name])

    return [
        {
            "case": case.name,
            "threads": threads,
            "source_bytes": case.source.stat().st_size + (data.stat().st_size if data.exists() else 0),
            "output_bytes": size,
            **{
                f"ours_{field}": middle(f"ours {threads}", field)
                for field in ("seconds", "resident_mb", "anonymous_mb")
            },
            **{f"stock_{field}": middle("stock", field) for field in ("seconds", "resident_mb", "anonymous_mb")},
            "ratio": middle("stock", "seconds") / middle(f"ours {threads}", "seconds"),
            "runs": {
                name: [dataclasses.asdict(result) for result in results[name]] for name in (f"ours {threads}", "stock")
            },
        }
        for threads in THREADS
    ]


def table(rows):
    lines = [
        "| conversion | threads | ours, s | stock, s | times faster "
        "| ours: peak anonymous (resident), MB | stock: peak anonymous "
        "(resident), MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {case} | {threads} | {ours_seconds:.3f} | {stock_seconds:.2f} | {ratio:.1f} | {ours_anonymous_mb:.0f} "
            "({ours_resident_mb:.0f}) | {stock_anonymous_mb:.0f} ({stock_resident_mb:.0f}) |".format(**row)
        )
    return "\n".join(lines)


def run(args):
    folder = args.folder
    source = folder / "transformer.onnx"
    weights = make(source, args.layers)
    float_mnn = folder / "transformer.mnn"
    clients.convert(source, float_mnn)
    digits = folder / "digits.mnn"
    clients.convert(clients.DIGITS, digits)
    size = f"{weights / 1e6:.0f} million weights"
    cases = [
        Case(f"{size}, `.mnn` → 4 bit, block 64, HQQ", float_mnn, HQQ),
        Case(f"{size}, `.mnn` → 4 bit, block 64, min-max", float_mnn, MIN_MAX),
        Case(f"{size}, ONNX → 4 bit, block 64, HQQ", source, HQQ),
        Case(f"{size}, ONNX → `.mnn`, float", source, []),
        Case(f"{size}, ONNX → `.mnn`, float, replacing an output file", source, [], replaces=True),
        Case("bundled model, ONNX → 8 bit", clients.DIGITS, EIGHT_BITS),
        Case("bundled model, `.mnn` → 4 bit, block 32, HQQ", digits, [*HQQ[:-1], "32"]),
    ]
    small_nodes = clients.MODELS / "onnx/gpt2_past_decomposed.onnx"
    if small_nodes.exists():
        cases.append(Case(f"{small_nodes.name}, 3,000 small nodes, float", small_nodes, [], weights=False))
    else:
        print(f"SKIPPED: {small_nodes.name} is not here")
    rows = common.last_rows(args, "speed") if args.only else []
    chosen = [case for case in cases if args.only in case.name]
    rows = [row for row in rows if row["case"] not in {case.name for case in chosen}]
    for case in chosen:
        rows += compare(case, folder, args.repeat)
        print(table(rows[-2:]).splitlines()[-2], table(rows[-2:]).splitlines()[-1], sep="\n", flush=True)
    order = [case.name for case in cases]
    rows.sort(key=lambda row: order.index(row["case"]))
    if not args.keep:
        for path in (source, pathlib.Path(f"{source}.data"), float_mnn, digits):
            remove(path)
    facts = common.machine()
    common.write_results(args, "speed", facts, rows)
    text = (
        f"{common.described(facts)}. "
        f"Median of {args.repeat} runs each, source files in the page cache, output files new where nothing else is said.\n\n"
        f"{table(rows)}\n"
    )
    print("\n" + text)
    if args.write_docs:
        common.write_docs("speed", text)
