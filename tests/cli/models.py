"""Small ONNX files, written byte by byte with the standard library only.

    models.py KIND FILE [SIZE]

KIND: large (with SIZE in MB), external, or one of KINDS at the end. The same call writes the same bytes on every machine.
"""

import os
import random
import struct
import sys

FLOAT, INT64 = 1, 7


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One protobuf field: an integer, or text, bytes or a message (bytes)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name, dims, data):
    return b"".join(field(1, d) for d in dims) + field(2, FLOAT) + field(8, name) + field(9, data)


def external_tensor(name, dims, location, length):
    entries = {"location": location, "offset": "0", "length": str(length)}
    text = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    return b"".join(field(1, d) for d in dims) + field(2, FLOAT) + field(8, name) + text + field(14, 1)


def value_info(name, dims):
    shape = b"".join(field(1, field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    return field(1, name) + b"".join(field(8, v) for v in value) + field(20, 7)


def node(op, name, inputs, outputs, **attributes):
    out = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    out += field(3, name) + field(4, op)
    return out + b"".join(field(5, attribute(key, value)) for key, value in attributes.items())


def model(nodes, weights, inputs, outputs):
    graph = b"".join(field(1, n) for n in nodes) + field(2, "graph") + b"".join(field(5, w) for w in weights)
    graph += b"".join(field(11, v) for v in inputs) + b"".join(field(12, v) for v in outputs)
    return field(1, 8) + field(2, "quantpress tests") + field(7, graph) + field(8, field(1, "") + field(2, 13))


def numbers(count, seed):
    source = random.Random(seed)
    return [source.uniform(-1, 1) for _ in range(count)]


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def convolutions(poison=None):
    """conv_a 32 to 64 channels 3x3, conv_b 64 to 48 channels 1x1, conv_c 48 to 10 channels 1x1."""
    shapes = {"conv_a": (64, 32, 3, 3), "conv_b": (48, 64, 1, 1), "conv_c": (10, 48, 1, 1)}
    nodes, weights, previous = [], [], "x"
    for seed, (name, shape) in enumerate(shapes.items()):
        values = numbers(shape[0] * shape[1] * shape[2] * shape[3], seed)
        if poison is not None and name == "conv_b":
            values[5] = poison
        weights += [tensor(name + ".w", shape, floats(values)), tensor(name + ".b", shape[:1], floats(numbers(shape[0], 9)))]
        pad = shape[2] // 2
        nodes.append(node("Conv", name, [previous, name + ".w", name + ".b"], [name + ".y"],
                          kernel_shape=shape[2:], pads=[pad] * 4, strides=[1, 1]))
        previous = name + ".y"
        if name != "conv_c":
            nodes.append(node("Relu", name + ".relu", [previous], [name + ".r"]))
            previous = name + ".r"
    return model(nodes, weights, [value_info("x", [1, 32, 8, 8])], [value_info(previous, [1, 10, 8, 8])])


def unsupported():
    nodes = [node("Quux", "first", ["x"], ["a"]), node("Relu", "fine", ["a"], ["b"]), node("Frobnicate", "second", ["b"], ["y"])]
    return model(nodes, [], [value_info("x", [1, 8])], [value_info("y", [1, 8])])


def open_batch():
    """An input whose first size only a run knows."""
    open_dim = field(1, field(2, "N")) + field(1, field(1, 8))
    x = field(1, "x") + field(2, field(1, field(1, FLOAT) + field(2, open_dim)))
    return model([node("Relu", "relu", ["x"], ["y"])], [], [x], [field(1, "y") + field(2, field(1, field(1, FLOAT)))])


def cycle():
    nodes = [node("Add", "one", ["x", "b"], ["a"]), node("Relu", "two", ["a"], ["b"])]
    return model(nodes, [], [value_info("x", [1, 8])], [value_info("b", [1, 8])])


def control_characters():
    """Names that would clear a terminal."""
    name = "evil\x1b[2J\r\n\u009bname"
    nodes = [node("Bad\x1b[31mOp", name, ["x"], ["y"])]
    return model(nodes, [], [value_info("x", [1, 8])], [value_info("y", [1, 8])])


def external(path):
    """The tiny model's first layer with its weights in FILE.data."""
    values = floats(numbers(64 * 32, 3))
    with open(path + ".data", "wb") as data:
        data.write(values)
    weight = external_tensor("w", (64, 32, 1, 1), os.path.basename(path) + ".data", len(values))
    nodes = [node("Conv", "conv", ["x", "w"], ["y"], kernel_shape=[1, 1])]
    return model(nodes, [weight], [value_info("x", [1, 32, 8, 8])], [value_info("y", [1, 64, 8, 8])])


def large(path, size):
    """A MatMul of `size` MB whose weights lie in FILE.data. Fast to write: one random block, repeated."""
    block = random.Random(1).randbytes(1 << 18)
    # Exponents near 1: any bits for sign and mantissa, never NaN or infinity.
    block = b"".join(struct.pack("<I", word & 0x807FFFFF | 0x3F000000) for (word,) in struct.iter_unpack("<I", block))
    with open(path + ".data", "wb") as data:
        for _ in range(int(size) * 4):
            data.write(block)
    rows, columns = int(size) * 64, 4096
    weight = external_tensor("w", (rows, columns), os.path.basename(path) + ".data", rows * columns * 4)
    nodes = [node("MatMul", "matmul", ["x", "w"], ["y"])]
    return model(nodes, [weight], [value_info("x", [1, rows])], [value_info("y", [1, columns])])


KINDS = {
    "tiny": convolutions,
    "nan": lambda: convolutions(float("nan")),
    "inf": lambda: convolutions(float("-inf")),
    "open": open_batch,
    "unsupported": unsupported,
    "cycle": cycle,
    "control": control_characters,
}


def main():
    kind, path = sys.argv[1:3]
    data = large(path, sys.argv[3]) if kind == "large" else external(path) if kind == "external" else KINDS[kind]()
    with open(path, "wb") as out:
        out.write(data)


if __name__ == "__main__":
    main()
