"""scripts/bench memory: a generated model of 5 GB under a memory budget."""

import dataclasses
import pathlib
import sys

import bench_common as common
from bench_common import EIGHT_BITS, HQQ, Case, ours, remove
from make_transformer import make
from measure import measure


def run(args):
    """A model far larger than the budget: peak anonymous memory of each conversion."""
    folder = args.folder
    source = folder / "large.onnx"
    weights = make(source, args.layers)
    rows = []
    for name, options in (("4 bit, block 64, HQQ", HQQ), ("8 bit", EIGHT_BITS), ("float", [])):
        target = folder / "large.mnn"
        found = measure(ours(Case(name, source, options), target, 2, "--memory", f"{args.memory}M"))
        outside = pathlib.Path(f"{target}.weight")
        rows.append(
            {
                "case": f"{weights / 1e6:.0f} million weights, ONNX → {name}",
                "budget_mb": args.memory,
                "output_bytes": sum(path.stat().st_size for path in (target, outside) if path.exists()),
                **dataclasses.asdict(found),
            }
        )
        remove(target)
        row = rows[-1]
        print(
            f"{row['case']}: {row['seconds']:.1f} s, "
            f"peak anonymous {row['anonymous_mb']:.0f} MB of a budget of {args.memory} MB, "
            f"{row['output_bytes'] / 1e6:.0f} MB written",
            flush=True,
        )
    if not args.keep:
        remove(source)
        remove(pathlib.Path(f"{source}.data"))
    facts = common.machine()
    common.write_results(args, "memory", facts, rows)
    if args.write_docs:
        common.write_docs("memory", text_of(rows, facts))
    over = [row for row in rows if row["anonymous_mb"] > args.memory]
    if over:
        sys.exit(f"over the budget: {[row['case'] for row in over]}")


def text_of(rows, facts):
    lines = [
        f"{common.described(facts)}, 2 threads.\n",
        "| conversion | s | peak anonymous, MB | budget, MB | written, MB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['case']} | {row['seconds']:.1f} | {row['anonymous_mb']:.0f} | {row['budget_mb']} "
            f"| {row['output_bytes'] / 1e6:.0f} |"
        )
    return "\n".join(lines) + "\n"
