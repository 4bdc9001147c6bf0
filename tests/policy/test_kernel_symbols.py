"""No kernel leaks code of a higher instruction set into the library.

A function that several objects share (inline functions and templates: weak symbols) is taken by the linker from any of them.
If one object is compiled for AVX-512, every CPU may get that copy. So:
* the statistics (one instruction set per file, by flags) have no weak symbol at all, and give two functions;
* in every other kernel object, a weak function outside of Highway's per-target namespaces has no AVX instruction.

    test_kernel_symbols.py NM OBJDUMP OBJECT...
"""

import pathlib
import re
import subprocess
import sys

WEAK = set("WwVvu")
PER_TARGET = re.compile(r"\bN_(?:SCALAR|EMU128|SSE2|SSSE3|SSE4|AVX2|AVX3|AVX3_DL|AVX3_ZEN4|NEON)\b")
AVX = re.compile(r"\s(?:v[a-z0-9]+|k(?:mov|or|and|test|unpck|shift|add|not|x)[a-z0-9]*)\s|%[yz]mm")
HEADER = re.compile(r"^[0-9a-f]+ <(.*)>:$")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(nm, path):
    """Pairs of kind and mangled name."""
    rows = [line.split() for line in run(nm, path).splitlines()]
    return [(row[-2], row[-1]) for row in rows if len(row) >= 2]


def demangle(names):
    if not names:
        return {}
    plain = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True).stdout
    return dict(zip(names, plain.splitlines()))


def check_statistics(nm, path):
    found = symbols(nm, path)
    wrong = [f"{path}: weak symbol {name}" for kind, name in found if kind in WEAK]
    functions = [name for kind, name in found if kind == "T"]
    names = ["AddCodedErrorStats", "AddErrorStats"]
    if len(functions) != len(names) or not all(any(n in f for f in functions) for n in names):
        wrong.append(f"{path}: one function each {', '.join(names)} expected, it has {functions}")
    return wrong


def check_shared(nm, objdump, path):
    shared = [name for kind, name in symbols(nm, path) if kind in "WVu"]
    plain = demangle(shared)
    shared = {name for name in shared if not PER_TARGET.search(plain[name])}
    wrong, current = [], None
    for line in run(objdump, "-d", "--no-show-raw-insn", path).splitlines():
        header = HEADER.match(line)
        if header:
            current = header.group(1)
        elif current in shared and AVX.search(line):
            wrong.append(f"{path}: {plain[current]} is shared and has the instruction {line.strip()}")
            current = None
    return wrong


def main(nm, objdump, *objects):
    wrong, statistics = [], 0
    for path in objects:
        if "error_stats_" in pathlib.Path(path).name:
            statistics += 1
            wrong += check_statistics(nm, path)
        else:
            wrong += check_shared(nm, objdump, path)
    if statistics == 0:
        wrong.append("no object of the statistics was given")
    print("\n".join(wrong) or f"{len(objects)} kernel objects share no code of a higher instruction set")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
