"""Reads weights out of a .mnn file, written from the description of the format and independent of the converter's code.

Only what the tests need: the ops of the main graph and of subgraphs, and of convolutions the decoded weights.
"""

import dataclasses
import pathlib
import struct

import numpy as np

CONVOLUTIONS = {12: "Convolution", 13: "ConvolutionDepthwise", 17: "Deconvolution", 18: "DeconvolutionDepthwise"}
CONST = 11
CONVOLUTION_2D, BLOB = 9, 7  # members of the parameter union


class Table:
    """One FlatBuffer table; fields are found by slot."""

    def __init__(self, data, position):
        self.data, self.position = data, position
        self.vtable = position - struct.unpack_from("<i", data, position)[0]
        self.slots = (struct.unpack_from("<H", data, self.vtable)[0] - 4) // 2

    def field(self, slot):
        if slot >= self.slots:
            return 0
        offset = struct.unpack_from("<H", self.data, self.vtable + 4 + 2 * slot)[0]
        return self.position + offset if offset else 0

    def scalar(self, slot, kind, default=0):
        at = self.field(slot)
        return struct.unpack_from("<" + kind, self.data, at)[0] if at else default

    def target(self, slot):
        at = self.field(slot)
        return at + struct.unpack_from("<I", self.data, at)[0] if at else 0

    def table(self, slot):
        at = self.target(slot)
        return Table(self.data, at) if at else None

    def vector(self, slot, dtype):
        """-> array, or None where the field is absent"""
        at = self.target(slot)
        if not at:
            return None
        return np.frombuffer(
            self.data, np.dtype(dtype).newbyteorder("<"), struct.unpack_from("<I", self.data, at)[0], at + 4
        )

    def text(self, slot):
        raw = self.vector(slot, np.uint8)
        return "" if raw is None else raw.tobytes().decode()

    def items(self, slot):
        at = self.target(slot)
        count = struct.unpack_from("<I", self.data, at)[0] if at else 0
        places = [at + 4 + 4 * i for i in range(count)]
        return [place + struct.unpack_from("<I", self.data, place)[0] for place in places]

    def tables(self, slot):
        return [Table(self.data, at) for at in self.items(slot)]

    def texts(self, slot):
        return [
            self.data[at + 4 : at + 4 + struct.unpack_from("<I", self.data, at)[0]].decode() for at in self.items(slot)
        ]


@dataclasses.dataclass
class Convolution:
    name: str
    kind: str
    outputs: int
    group: int
    type: int  # IDSTQuan.type; -1: plain float
    bits: int
    asymmetric: bool
    blocks: int  # scales per output channel
    weights: np.ndarray  # decoded to float32, flat
    codes: np.ndarray | None
    scales: np.ndarray | None
    minima: np.ndarray | None
    bias: np.ndarray


class Net:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        data = self.path.read_bytes()
        side = pathlib.Path(f"{path}.weight")
        self.external = side.read_bytes() if side.exists() else b""
        self.root = Table(data, struct.unpack_from("<I", data, 0)[0])
        self.tensors = self.root.texts(7)
        self.outputs = self.root.texts(4)
        self.ops = self.root.tables(3)
        for subgraph in self.root.tables(10):
            self.ops += subgraph.tables(4)

    def op_names(self):
        return [op.text(3) for op in self.ops]

    def op_types(self):
        return [op.scalar(5, "i") for op in self.ops]

    def convolution_names(self):
        return [op.text(3) for op in self.ops if op.scalar(5, "i") in CONVOLUTIONS]

    def convolutions(self, names=None):
        """-> {name: Convolution} of every convolution (of those in `names`) that has weights of its own"""
        found = {}
        for op in self.ops:
            if names is not None and op.text(3) not in names:
                continue
            if op.scalar(5, "i") in CONVOLUTIONS and op.scalar(1, "B") == CONVOLUTION_2D:
                decoded = self.decode(op)
                if decoded:
                    found[decoded.name] = decoded
        return found

    def outside(self, lengths, start, dtypes):
        """Cuts consecutive arrays out of the external weight file."""
        arrays = []
        for length, dtype in zip(lengths, dtypes):
            arrays.append(np.frombuffer(self.external[start : start + length], dtype))
            start += int(length)
        return arrays

    def decode(self, op):
        table = op.table(2)
        common, quan = table.table(0), table.table(3)
        weights, bias = table.vector(1, "f4"), table.vector(2, "f4")
        external = table.vector(6, "i8")
        base = dict(
            name=op.text(3),
            kind=CONVOLUTIONS[op.scalar(5, "i")],
            outputs=common.scalar(10, "i"),
            group=common.scalar(9, "i", 1),
        )
        if quan is None:
            if external is not None and len(external) > 1:
                weights, bias = self.outside(external[1:3], int(external[0]), ["<f4", "<f4"])
            if weights is None:
                return None
            return Convolution(
                **base,
                type=-1,
                bits=32,
                asymmetric=False,
                blocks=0,
                weights=weights,
                codes=None,
                scales=None,
                minima=None,
                bias=bias,
            )
        half = quan.scalar(15, "b") == 1
        buffer = quan.vector(0, np.uint8)
        alpha = quan.vector(14, "f2") if half else quan.vector(1, "f4")
        if external is not None and len(external) > 1:
            buffer, alpha, bias = self.outside(
                external[1:4], int(external[0]), [np.uint8, "<f2" if half else "<f4", "<f4"]
            )
        kind = quan.scalar(2, "i")
        if kind == 3:
            return Convolution(
                **base,
                type=3,
                bits=16,
                asymmetric=False,
                blocks=0,
                codes=None,
                scales=None,
                minima=None,
                weights=buffer.view("<f2").astype(np.float32),
                bias=bias,
            )
        if kind == 0 and quan.vector(13, "u4") is not None:  # only what is not zero is listed
            weights = np.zeros(quan.scalar(12, "I"), np.float32)
            weights[quan.vector(13, "u4")] = alpha
            return Convolution(
                **base,
                type=0,
                bits=32,
                asymmetric=False,
                blocks=0,
                codes=None,
                scales=None,
                minima=None,
                weights=weights,
                bias=bias,
            )
        if kind not in (1, 2, 4):
            raise ValueError(f"{base['name']}: weight type {kind} is not known here")
        asymmetric = quan.scalar(9, "i") != 0
        factor = np.float32(quan.scalar(4, "f"))
        alpha = alpha.astype(np.float32) * factor
        minima, scales = (alpha[0::2], alpha[1::2]) if asymmetric else (None, alpha)
        if kind == 2:
            codes, bits = sparse_codes(buffer, quan.scalar(11, "b"), scales, minima)
        else:
            codes, bits = table_codes(buffer, quan.scalar(11, "b")) if kind == 1 else (buffer.view(np.int8), 8)
        rows = codes.reshape(len(scales), -1).astype(np.float32)
        if asymmetric:
            a_min = quan.scalar(8, "i")
            base_code = np.float32(0 if a_min > 0 else a_min if a_min < 0 else -128)
            decoded = (
                rows * scales[:, None] + (minima - base_code * scales)[:, None]
            )  # the runtime folds the offset first
        else:
            decoded = rows * scales[:, None]
        return Convolution(
            **base,
            type=kind,
            bits=bits,
            asymmetric=asymmetric,
            blocks=len(scales) // base["outputs"],
            weights=decoded.ravel(),
            codes=codes,
            scales=scales,
            minima=minima,
            bias=bias,
        )


def bit_stream(raw, start, count, bits):
    """`count` numbers of `bits` bits each, first bit first -> (numbers, position behind them)"""
    end = start + (count * bits + 7) // 8
    if end > len(raw):
        raise ValueError(f"payload of {len(raw)} bytes is too short for {count} numbers of {bits} bits at {start}")
    stream = np.unpackbits(np.frombuffer(raw, np.uint8, end - start, start))[: count * bits]
    return stream.reshape(count, bits) @ (1 << np.arange(bits)[::-1]), end


def payload_shape(raw, wide):
    """The dimensions at the start of a payload -> (number of codes, rows, position behind them)"""
    dims = struct.unpack_from(f"<{raw[0]}{'I' if wide else 'H'}", raw, 1)
    return int(np.prod(dims, dtype=np.int64)), dims[0], 1 + raw[0] * (4 if wide else 2)


def value_table(raw, at):
    """-> (values of codes, bits of an index, position behind them)"""
    count = raw[at] or 256
    return np.frombuffer(raw, np.int8, count, at + 1), max(1, (count - 1).bit_length()), at + 1 + count


def table_codes(buffer, wide):
    """The payload of type 1 -> (codes, bits): header, table of code values, indexes as a bit stream."""
    raw = buffer.tobytes()
    total, _, at = payload_shape(raw, wide)
    values, bits, at = value_table(raw, at)
    indexes, end = bit_stream(raw, at, total, bits)
    if len(raw) != end:
        raise ValueError(f"payload of {len(raw)} bytes does not fit {total} codes of {bits} bits")
    return values[indexes], bits


def sparse_codes(buffer, wide, scales, minima):
    """The payload of type 2 -> (codes, bits): header, steps from one listed weight to the next, table, indexes of what is listed."""
    raw = buffer.tobytes()
    total, rows, at = payload_shape(raw, wide)
    listed, width = struct.unpack_from("<IB", raw, at)
    steps, at = bit_stream(raw, at + 5, listed, width)
    values, bits, at = value_table(raw, at)
    indexes, end = bit_stream(raw, at, listed, bits)
    if len(raw) != end:
        raise ValueError(f"payload of {len(raw)} bytes, expected {end}")
    codes = np.zeros(total, np.int8)
    if minima is not None and len(scales) == rows:  # a row starts with the code that is nearest to zero
        low = np.float32(-(2 ** (bits - 1)))
        live = scales > np.float32(1e-6)
        nearest = np.where(live, -minima / np.where(live, scales, np.float32(1)), np.float32(0))
        whole = np.trunc(nearest) + np.copysign(np.abs(nearest - np.trunc(nearest)) >= 0.5, nearest)
        codes = np.repeat((whole + low).astype(np.int64).astype(np.int8), total // rows)
    codes[np.cumsum(steps)] = values[indexes]
    return codes, bits
