"""Called by scripts/bench; see there."""

import argparse
import pathlib

import bench_memory
import bench_nodes
import bench_runtime
import bench_speed
import bench_statistics
from bench_common import ROOT

BENCHMARKS = {
    "speed": bench_speed.run,
    "statistics": bench_statistics.run,
    "memory": bench_memory.run,
    "nodes": bench_nodes.run,
    "runtime": bench_runtime.run,
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("what", nargs="?", choices=list(BENCHMARKS), default="speed")
    parser.add_argument("--repeat", type=int, help="runs of each [3; statistics: 9]")
    parser.add_argument("--only", default="", help="speed: cases whose name contains this, the others as measured last; runtime: models")
    parser.add_argument("--layers", type=int, help="of the generated transformer [16; memory: 100]")
    parser.add_argument("--memory", type=int, default=512, help="budget in MB [512]")
    parser.add_argument(
        "--folder", type=pathlib.Path, default=ROOT / "build/bench", help="for large files [build/bench]"
    )
    parser.add_argument("--keep", action="store_true", help="keep the generated models")
    parser.add_argument("--write-docs", action="store_true", help="put the figures into docs/benchmarks.md")
    args = parser.parse_args()
    args.layers = args.layers or {"memory": 100}.get(args.what, 16)
    args.repeat = args.repeat or {"statistics": 9}.get(args.what, 3)
    args.results = ROOT / "build/bench"
    for folder in (args.folder, args.results):
        folder.mkdir(parents=True, exist_ok=True)
    BENCHMARKS[args.what](args)


if __name__ == "__main__":
    main()
