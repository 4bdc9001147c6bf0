"""What the benchmarks of scripts/bench share: the commands, the machine, and the page that figures go to."""

import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/interop"))
import clients  # noqa: E402  (the path above is for it)

HQQ = ["--weightQuantBits", "4", "--hqq", "--weightQuantAsymmetric=1", "--weightQuantBlock", "64"]
MIN_MAX = ["--weightQuantBits", "4", "--weightQuantAsymmetric=1", "--weightQuantBlock", "64"]
EIGHT_BITS = ["--weightQuantBits", "8"]
THREADS = [1, 2]


@dataclasses.dataclass
class Case:
    name: str
    source: pathlib.Path
    options: list
    replaces: bool = False  # a file of the run before is at the output path
    weights: bool = True  # both converters make the same layers with weights, which are compared


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


def described(facts):
    return f"{facts['date']}, {facts['processor']}, {facts['cores']} cores"


def write_results(args, what, facts, rows):
    (args.results / f"{what}.json").write_text(
        json.dumps({"machine": facts, "rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def last_rows(args, what):
    """What write_results wrote, if it was on this kind of machine."""
    path = args.results / f"{what}.json"
    last = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machine": None}
    if last["machine"] != machine():
        raise RuntimeError(f"{path} is missing or from another machine: measure without --only")
    return last["rows"]


def write_docs(what, text):
    """Puts the figures of one benchmark between its two marks in docs/benchmarks.md."""
    page = ROOT / "docs/benchmarks.md"
    begin, end = f"<!-- figures of {what}: written by scripts/bench {what} --write-docs -->", f"<!-- end of {what} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    if not found or end not in rest:
        raise RuntimeError(f"{page} lacks the marks of {what}")
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
