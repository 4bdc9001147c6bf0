"""ONNX's own backend tests (operators, simple models, real architectures) through our converter and the stock runtime.

usage: run.py [--only REGEX] [--minutes N] [--update] [--verbose] [--report FILE]

Every test must pass, or stand in expected.json with what happens instead and why. A test of that list that passes is an
error too: take it off the list (--update does it). Where time runs out, what was not reached is counted; the order is by
operator, one test of each before the second of any, so that a short run still sees them all.

Ends with 77 (skipped) where a Python module is missing.
"""

import argparse
import collections
import importlib.util
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("QUANTPRESS_BINARY", str(HERE.parents[1] / "build/release/tools/quantpress"))
EXPECTED = HERE / "expected.json"
WORKERS = 2
SECONDS = 60  # for one conversion, and for one run


def compare(got, want, case):
    """Text that says how an output differs, or None. Integers and bools are exact, as long as they are small."""
    import numpy as np

    if got.shape != want.shape:
        return f"shape {list(got.shape)} instead of {list(want.shape)}"
    if want.size == 0:
        return None
    rtol = max(case.rtol, 2.0**-9) if want.dtype == np.float16 else case.rtol
    with np.errstate(all="ignore"):
        values = (got != 0) if want.dtype == bool else got.astype(want.dtype)
        values, want = values.astype(np.float64), want.astype(np.float64)
    finite = np.abs(want[np.isfinite(want)])
    # The runtime computes in float32 with approximations of its own: allow 1e-4 of the scale of the output.
    atol = max(case.atol, 1e-4 * min(1.0, float(finite.max()) if finite.size else 0.0))
    wrong = ~np.isclose(values, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    at = tuple(np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {want.size} values, first {values[at]:.6g} instead of {want[at]:.6g} at {list(map(int, at))}"


def judge(case, runtime, folder):
    """-> (outcome, text): pass, refused, wrong, failed (the runtime reports an error), crash"""
    from runtime import Crash

    source, target = folder / "model.onnx", folder / "model.mnn"
    source.write_bytes(case.model.SerializeToString())
    target.unlink(missing_ok=True)
    command = [BINARY, "convert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "crash", f"the converter took more than {SECONDS} seconds"
    if done.returncode < 0:
        return "crash", f"the converter ended with signal {-done.returncode}"
    if done.returncode:
        return "refused", done.stderr.strip().splitlines()[-1].strip() if done.stderr.strip() else "no message"
    names = [value.name for value in case.model.graph.output]
    for inputs, outputs in case.sets:
        feeds = {value.name: array for value, array in zip(case.inputs, inputs)}
        try:
            results = runtime.run(target, feeds, names, SECONDS)
        except Crash as error:
            return "crash", f"the runtime: {error}"
        except RuntimeError as error:
            return "failed", str(error)
        for got, want in zip(results, outputs):
            if difference := compare(got, want, case):
                return "wrong", difference
    return "pass", ""


def interleave(cases):
    """Reorders: the first test of every operator, then the second..."""
    queues = collections.defaultdict(list)
    for case in cases:
        queues[case.suite, case.operators[0]].append(case)
    rounds = itertools.zip_longest(*queues.values())
    return [case for row in rounds for case in row if case is not None]


def run_all(cases, deadline, verbose):
    """-> {name: (outcome, text)} of what was reached in time"""
    from runtime import Runtime

    results, pending, lock = {}, iter(cases), threading.Lock()

    def work():
        runtime = Runtime()
        with tempfile.TemporaryDirectory() as folder:
            while time.monotonic() < deadline:
                with lock:
                    case = next(pending, None)
                if case is None:
                    break
                outcome = judge(case, runtime, pathlib.Path(folder))
                with lock:
                    results[f"{case.suite}/{case.name}"] = outcome
                    if verbose and outcome[0] != "pass":
                        print(f"{outcome[0]:<8} {case.suite}/{case.name}: {outcome[1]}", flush=True)
        runtime.close()
        runtime.log.unlink(missing_ok=True)

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def read_expected():
    """-> {name: (outcome, reason)}"""
    groups = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else []
    return {name: (group["outcome"], group["reason"]) for group in groups for name in group["tests"]}


def write_expected(results, expected):
    """Keeps the reasons that are there; a new entry gets the program's own words."""
    groups = collections.defaultdict(list)
    for name, (outcome, text) in {**expected, **results}.items():
        if outcome == "pass":
            continue
        reason = text
        if name in expected and expected[name][0] == outcome:
            reason = expected[name][1]
        groups[outcome, reason].append(name)
    listed = [
        {"outcome": outcome, "reason": reason, "tests": sorted(names)}
        for (outcome, reason), names in sorted(groups.items())
    ]
    EXPECTED.write_text(json.dumps(listed, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX", help="tests whose suite/name matches")
    parser.add_argument("--minutes", type=float, default=20, help="time box (%(default)s)")
    parser.add_argument("--update", action="store_true", help="write what happens into expected.json")
    parser.add_argument("--verbose", action="store_true", help="print every test that does not pass")
    parser.add_argument("--report", metavar="FILE", help="write all outcomes as JSON")
    options = parser.parse_args()
    missing = [name for name in ("numpy", "onnx", "MNN") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: Python modules {', '.join(missing)} are missing; scripts/setup installs them")
        return 77

    start = time.monotonic()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from cases import load

    pattern = re.compile(options.only)
    selected = [case for case in load() if pattern.search(f"{case.suite}/{case.name}")]
    scored = interleave([case for case in selected if case.out_of_scope() is None])
    results = run_all(scored, start + 60 * options.minutes, options.verbose)

    expected = read_expected()
    counts = collections.Counter(outcome for outcome, _ in results.values())
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())), end="")
    print(f", {len(selected) - len(scored)} out of scope, {len(scored) - len(results)} not reached", end="")
    print(f", {time.monotonic() - start:.0f} s")
    if options.report:
        pathlib.Path(options.report).write_text(json.dumps({name: list(r) for name, r in sorted(results.items())}, indent=1))
    if options.update:
        write_expected(results, expected)
        return 0
    bad = []
    for name, (outcome, text) in sorted(results.items()):
        wanted = expected.get(name, ("pass", ""))[0]
        if outcome == wanted:
            continue
        if outcome == "pass":
            bad.append(f"{name} passes: take it off {EXPECTED.name}")
        else:
            bad.append(f"{name}: {outcome}, expected {wanted}: {text}")
    known = {f"{case.suite}/{case.name}" for case in selected}
    if not options.only:
        bad += [f"{name} is in {EXPECTED.name} but no test has this name" for name in expected if name not in known]
    print(*bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
