"""Called by scripts/bench; see there."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from make_transformer import make
from measure import measure

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/interop"))
import clients  # noqa: E402  (the path above is for it)
import mnn_file  # noqa: E402

HQQ = ["--weightQuantBits", "4", "--hqq", "--weightQuantAsymmetric=1", "--weightQuantBlock", "64"]
MIN_MAX = ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "64"]
THREADS = [1, 2]
STATISTICS_MARK = "<!-- figures: written by scripts/bench statistics --write-docs -->"
MARK = "<!-- figures: written by scripts/bench --write-docs -->"


@dataclasses.dataclass
class Case:
    name: str
    source: pathlib.Path
    options: list
    replaces: bool = False  # a file of the run before is at the output path


def ours(case, target, threads, *more):
    return [
        clients.BINARY,
        "convert",
        "-f",
        case.source.suffix[1:].upper(),
        "--modelFile",
        case.source,
        "--MNNModel",
        target,
        "--threads",
        str(threads),
        *case.options,
        *more,
    ]


def stock(case, target):
    return [
        sys.executable,
        "-c",
        clients.STOCK,
        "-f",
        case.source.suffix[1:].upper(),
        "--modelFile",
        case.source,
        "--MNNModel",
        target,
        "--bizCode",
        "x",
        *case.options,
    ]


def read_once(path):
    """Brings a file into the page cache, so that no program pays for the disk."""
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def remove(target):
    for path in (target, pathlib.Path(f"{target}.weight")):
        path.unlink(missing_ok=True)


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


def report_cost(args):
    """scripts/bench statistics: only the cost of reports."""
    source = args.folder / "transformer.onnx"
    size = f"{make(source, args.layers) / 1e6:.0f} million weights"
    float_mnn = args.folder / "transformer.mnn"
    clients.convert(source, float_mnn)
    rows = statistics_cost(statistics_cases(size, float_mnn), args.folder, args.repeat)
    if not args.keep:
        for path in (source, pathlib.Path(f"{source}.data"), float_mnn):
            remove(path)
    facts = machine()
    (args.results / "statistics.json").write_text(
        json.dumps({"machine": facts, "rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    text = statistics_text(rows, facts, args.repeat)
    print("\n" + text)
    if args.write_docs:
        page = ROOT / "docs/benchmarks.md"
        before, _, after = page.read_text(encoding="utf-8").partition(STATISTICS_MARK)
        rest = after.partition(MARK)[2]
        page.write_text(f"{before}{STATISTICS_MARK}\n\n{text}\n{MARK}{rest}", encoding="utf-8")


def statistics_cases(size, float_mnn):
    return [
        Case(f"{size}, `.mnn` → 4 bit, block 64, HQQ", float_mnn, HQQ),
        Case(f"{size}, `.mnn` → 4 bit, block 64, min-max", float_mnn, MIN_MAX),
        Case(f"{size}, `.mnn` → 8 bit", float_mnn, ["--weightQuantBits", "8"]),
    ]


def statistics_text(rows, facts, repeat):
    return (
        f"Statistics for a report, {facts['date']}, {facts['processor']}, {facts['cores']} cores, median of {repeat} pairs "
        f"of runs:\n\n{statistics_table(rows)}\n"
    )


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next(
        (line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")),
        "unknown processor",
    )
    chosen = (
        subprocess.run([clients.BINARY, "cpu"], capture_output=True, text=True, check=False).stdout.strip().splitlines()
    )
    return {
        "date": datetime.date.today().isoformat(),
        "processor": model,
        "cores": os.cpu_count(),
        "cpu": chosen,
        "version": subprocess.run(
            [clients.BINARY, "version"], capture_output=True, text=True, check=False
        ).stdout.strip(),
    }


def speed(args):
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
        Case(f"{size}, ONNX → `.mnn`, float", source, []),
        Case(f"{size}, ONNX → `.mnn`, float, replacing an output file", source, [], replaces=True),
        Case("bundled model, ONNX → 8 bit", clients.DIGITS, ["--weightQuantBits", "8"]),
        Case("bundled model, `.mnn` → 4 bit, block 32, HQQ", digits, [*HQQ[:-1], "32"]),
    ]
    rows = []
    for case in cases:
        rows += compare(case, folder, args.repeat)
        print(table(rows[-2:]).splitlines()[-2], table(rows[-2:]).splitlines()[-1], sep="\n", flush=True)
    if not args.keep:
        for path in (source, pathlib.Path(f"{source}.data"), float_mnn, digits):
            remove(path)
    facts = machine()
    (args.results / "speed.json").write_text(
        json.dumps({"machine": facts, "rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    text = (
        f"{facts['date']}, {facts['processor']}, {facts['cores']} cores. "
        f"Median of {args.repeat} runs each, source files in the page cache, output files new where nothing else is said.\n\n"
        f"{table(rows)}\n"
    )
    (args.results / "speed.md").write_text(text, encoding="utf-8")
    print("\n" + text)
    if args.write_docs:
        page = ROOT / "docs/benchmarks.md"
        before = page.read_text(encoding="utf-8").partition(MARK)[0]
        page.write_text(f"{before}{MARK}\n\n{text}", encoding="utf-8")
        (ROOT / "docs/benchmarks.json").write_text((args.results / "speed.json").read_text(encoding="utf-8"), "utf-8")


def memory(args):
    """A model far larger than the budget: peak anonymous memory of each conversion."""
    folder = args.folder
    source = folder / "large.onnx"
    weights = make(source, args.layers)
    rows = []
    for name, options in (("4 bit, block 64, HQQ", HQQ), ("8 bit", ["--weightQuantBits", "8"]), ("float", [])):
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
    (args.results / "memory.json").write_text(
        json.dumps({"machine": machine(), "rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    over = [row for row in rows if row["anonymous_mb"] > args.memory]
    if over:
        sys.exit(f"over the budget: {[row['case'] for row in over]}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("what", nargs="?", choices=["speed", "statistics", "memory"], default="speed")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--layers", type=int, help="of the generated transformer [16; memory: 100]")
    parser.add_argument("--memory", type=int, default=512, help="budget in MB [512]")
    parser.add_argument(
        "--folder", type=pathlib.Path, default=ROOT / "build/bench", help="for large files [build/bench]"
    )
    parser.add_argument("--keep", action="store_true", help="keep the generated models")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/benchmarks.md")
    args = parser.parse_args()
    args.layers = args.layers or {"speed": 16, "statistics": 16, "memory": 100}[args.what]
    args.results = ROOT / "build/bench"
    for folder in (args.folder, args.results):
        folder.mkdir(parents=True, exist_ok=True)
    {"speed": speed, "statistics": report_cost, "memory": memory}[args.what](args)


if __name__ == "__main__":
    main()
