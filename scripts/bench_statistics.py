"""scripts/bench statistics: what --report costs."""

import dataclasses
import pathlib
import statistics

import bench_common as common
from bench_common import EIGHT_BITS, HQQ, MIN_MAX, THREADS, Case, clients, ours, read_once, remove
from make_transformer import make
from measure import measure


def statistics_cost(cases, folder, repeat):
    """The same conversions without and with a report, in turn. -> one row for each case and number of threads"""
    rows = []
    for case in cases:
        read_once(case.source)
        for threads in THREADS:
            target, report = folder / "measured.mnn", folder / "report.json"
            pairs = []
            for _ in range(repeat):
                pair = []
                for more in ([], ["--report", report]):
                    remove(target)
                    pair.append(measure(ours(case, target, threads, *more)))
                pairs.append(pair)
            remove(target)
            report.unlink()
            plain, measured = ([getattr(run, "seconds") for run in side] for side in zip(*pairs))
            rows.append(
                {
                    "case": case.name,
                    "threads": threads,
                    "plain_seconds": statistics.median(plain),
                    "report_seconds": statistics.median(measured),
                    "extra_percent": 100 * (statistics.median(b / a for a, b in zip(plain, measured)) - 1),
                    "extra_cpu_percent": 100
                    * (statistics.median(pair[1].cpu_seconds / pair[0].cpu_seconds for pair in pairs) - 1),
                    "runs": [[dataclasses.asdict(run) for run in pair] for pair in pairs],
                }
            )
            print(rows[-1]["case"], threads, f"{rows[-1]['extra_percent']:.1f} %", flush=True)
    return rows


def statistics_table(rows):
    lines = [
        "| conversion | threads | alone, s | with `--report`, s | more time, median of pairs | more CPU time |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            "| {case} | {threads} | {plain_seconds:.3f} | {report_seconds:.3f} | {extra_percent:.0f} % "
            "| {extra_cpu_percent:.0f} % |".format(**row)
        )
    return "\n".join(lines)


def run(args):
    source = args.folder / "transformer.onnx"
    size = f"{make(source, args.layers) / 1e6:.0f} million weights"
    float_mnn = args.folder / "transformer.mnn"
    clients.convert(source, float_mnn)
    rows = statistics_cost(
        [
            Case(f"{size}, `.mnn` → 4 bit, block 64, HQQ", float_mnn, HQQ),
            Case(f"{size}, `.mnn` → 4 bit, block 64, min-max", float_mnn, MIN_MAX),
            Case(f"{size}, `.mnn` → 8 bit", float_mnn, EIGHT_BITS),
        ],
        args.folder,
        args.repeat,
    )
    if not args.keep:
        for path in (source, pathlib.Path(f"{source}.data"), float_mnn):
            remove(path)
    facts = common.machine()
    common.write_results(args, "statistics", facts, rows)
    text = f"{common.described(facts)}, median of {args.repeat} pairs of runs:\n\n{statistics_table(rows)}\n"
    print("\n" + text)
    if args.write_docs:
        common.write_docs("statistics", text)
