"""Models as people export them, with random weights: converted by us and by the stock converter, run on the stock runtime, compared
with onnxruntime.

usage: run.py [--only GLOB] [--exporter NAME] [--keep FOLDER] [--no-stock] [--list]

Prints a table. The status is 0 if at least 95 % of our conversions are right, and over all cases more than the stock converter's. Needs the packages
of requirements.txt: "scripts/test exporters" installs them.
"""

import argparse
import contextlib
import fnmatch
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from cases import ROUNDED, load_all  # noqa: E402
from compare import detections, difference  # noqa: E402
from export import clients, export  # noqa: E402

WANTED = 0.95
EXPORT_LIMIT = 600  # seconds


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*", help="cases whose name matches this pattern")
    parser.add_argument("--exporter", help="this exporter only")
    parser.add_argument("--keep", type=pathlib.Path, help="folder that keeps the exported files, and gives them the next time")
    parser.add_argument("--no-stock", action="store_true", help="without the stock converter")
    parser.add_argument("--list", action="store_true", help="print the cases only")
    return parser.parse_args(arguments)


def exported(case, exporter, folder):
    """Exports in a process of its own: exporters change global state, and print. -> None, or what went wrong"""
    if (folder / "feeds.npz").exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "export.log"

    def work():
        with open(log, "w") as text:
            os.dup2(text.fileno(), 1)
            os.dup2(text.fileno(), 2)
            try:
                export(case, exporter, folder)
            except BaseException:  # an exporter can raise anything
                traceback.print_exc(file=text)
                text.flush()
                os._exit(1)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(EXPORT_LIMIT)
    if process.is_alive():
        process.kill()
        return "the exporter took too long"
    if process.exitcode == 0:
        return None
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"status {process.exitcode}"


def runtime_array(array):
    """The array in the type that the runtime holds."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array if array.dtype in (np.int8, np.uint8) else array.astype(np.int32)


def outcome(convert, source, folder, case, tolerance):
    """-> ('ok' | 'wrong' | 'refused', remark)"""
    target = folder / "model.mnn"
    target.unlink(missing_ok=True)
    try:
        convert(source, target)
    except Exception as error:  # ClientError, or a time limit
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("node ", "operator ")) or "Not support" in line] or lines
        return "refused", said[-1] if said else ""
    feeds = {name: runtime_array(array) for name, array in np.load(folder / "feeds.npz").items()}
    try:
        values = clients.run_mnn(target, feeds)
        compare = detections if case.family == "detector" else difference
        remark = compare(values, dict(np.load(folder / "expected.npz")), tolerance)
    except Exception as error:  # the runtime refused or crashed
        return "wrong", str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return ("wrong", remark) if remark else ("ok", "")


def preload():
    """Frameworks that are large, once: each export is a fork."""
    for name in ("onnx", "onnxruntime", "torch", "torchvision", "transformers", "onnxscript"):
        with contextlib.suppress(ImportError):
            __import__(name)


def print_groups(rows, converters):
    """One line per package (what stands before the slash): models, files, and how many of them are right."""
    print(f"\n{'group':14} {'models':>7} {'files':>6} " + " ".join(f"{name:>10}" for name in converters))
    for group in dict.fromkeys(name.split("/")[0] for name, _ in rows):
        mine = [(name, right) for name, right in rows if name.split("/")[0] == group]
        counts = [sum(word in right for _, right in mine) for word in converters]
        print(f"{group:14} {len({name for name, _ in mine}):7} {len(mine):6} " + " ".join(f"{count:10}" for count in counts))
    print()


def main():
    options = parse(sys.argv[1:])
    chosen = [
        (case, exporter)
        for case in load_all().values()
        for exporter in case.exporters
        if fnmatch.fnmatch(case.name, options.only) and options.exporter in (None, exporter)
    ]
    if options.list:
        for case, exporter in chosen:
            print(f"{case.family:12} {case.name:40} {exporter}")
        return 0
    preload()
    converters = {"quantpress": clients.convert} | ({} if options.no_stock else {"stock": clients.stock_convert})
    rows, unexported = [], []  # (name of the case, converters that are right)
    begin = time.monotonic()
    print(f"{'model':40} {'exporter':12} " + "".join(f"{name:12}" for name in converters) + "remark", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for case, exporter in chosen:
            folder = (options.keep or pathlib.Path(scratch)) / f"{case.name}-{exporter}"
            start = time.monotonic()
            failure = exported(case, exporter, folder)
            if failure is not None:
                unexported.append((case.name, exporter))
                words = "".join(f"{'-':12}" for _ in converters)
                print(f"{case.name:40} {exporter:12} {words}not exported: {failure[:150]}", flush=True)
            else:
                tolerance = max(case.tolerance, ROUNDED.get(exporter, 0))
                results = {name: outcome(c, folder / "model.onnx", folder, case, tolerance) for name, c in converters.items()}
                rows.append((case.name, [name for name, (word, _) in results.items() if word == "ok"]))
                remark = results["quantpress"][1] or f"{time.monotonic() - start:.0f} s"
                print(f"{case.name:40} {exporter:12} " + "".join(f"{word:12}" for word, _ in results.values()) + remark[:300], flush=True)
            if options.keep is None:
                shutil.rmtree(folder, ignore_errors=True)
    print_groups(rows, converters)
    compared, right = len(rows), {name: sum(name in good for _, good in rows) for name in converters}
    for name, count in right.items():
        print(f"{name}: {count} of {compared} right ({count / max(compared, 1):.1%})")
    print(f"not exported: {len(unexported)}; {(time.monotonic() - begin) / 60:.0f} minutes")
    good = compared > 0 and right["quantpress"] >= WANTED * compared
    if options.only == "*" and options.exporter is None:  # a part of the cases may be easy for both
        good = good and right["quantpress"] > right.get("stock", -1)
    print(f"exporters: {right['quantpress']} passed, {compared - right['quantpress']} failed, {len(unexported)} skipped")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
