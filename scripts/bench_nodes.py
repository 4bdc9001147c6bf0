"""scripts/bench nodes: conversion time of graphs of 1,000 to 100,000 nodes, which must grow no faster than the graph."""

import statistics

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import bench_common as common
from bench_common import EIGHT_BITS, Case, ours, remove
from measure import measure

COUNTS = [1_000, 10_000, 100_000]
WIDTH = 8


def make_chain(path, nodes):
    """Nodes that no pass can merge: a chain in which every tenth node is a product with a matrix of its own."""
    rng = np.random.default_rng(1)
    made, weights, x = [], [], "x"
    for index in range(nodes):
        y = f"y{index}"
        if index % 10 == 0:
            name = f"w{index}"
            weights.append(numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH)).astype(np.float32), name))
            made.append(helper.make_node("MatMul", [x, name], [y], y))
        else:
            made.append(helper.make_node(("Sin", "Tanh", "Sigmoid")[index % 3], [x], [y], y))
        x = y
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        made,
        "chain",
        [value("x", TensorProto.FLOAT, [1, WIDTH])],
        [value(x, TensorProto.FLOAT, [1, WIDTH])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def run(args):
    rows = []
    for count in COUNTS:
        source, target = args.folder / f"nodes{count}.onnx", args.folder / "nodes.mnn"
        make_chain(source, count)
        runs = []
        for _ in range(args.repeat):
            remove(target)
            runs.append(measure(ours(Case("", source, EIGHT_BITS), target, 1)))
        remove(target)
        if not args.keep:
            remove(source)
        seconds = statistics.median(found.seconds for found in runs)
        rows.append({"nodes": count, "seconds": seconds, "us_per_node": 1e6 * seconds / count})
        print(f"{count} nodes: {seconds:.3f} s", flush=True)
    facts = common.machine()
    common.write_results(args, "nodes", facts, rows)
    text = (
        f"{common.described(facts)}, one thread, 8 bit, median of {args.repeat} runs.\n\n"
        "| nodes | s | µs per node |\n|---|---|---|\n"
        + "".join(f"| {row['nodes']:,} | {row['seconds']:.3f} | {row['us_per_node']:.1f} |\n" for row in rows)
    )
    print("\n" + text)
    if args.write_docs:
        common.write_docs("nodes", text)
