"""Runs the command line and compares what it prints with what it should print.

    run.py [--accept] [CASE...]

A case is a file cases/NAME.txt, a transcript of commands in a fresh folder:

    # comment
    $ quantpress version          a line for sh
    > quantpress *                a line of standard output
    ! quantpress: note: *         a line of standard error
    ? 1                           exit code; 0 where there is no such line

`*` stands for any text within a line. A command whose expected output is cut to the line `> ...` or `! ...` may print more.
`@ not-root` skips the next command where the test runs as root. The folder holds tiny.onnx, tiny.mnn (float) and copies of
the program under three names are on the path, $DOCS is the folder docs/, $SLOWEST an instruction set that this machine
has, and `models` makes models (models.py). --accept rewrites the expected output. The program is taken from
QUANTPRESS_BINARY.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
VARIABLE = [
    (re.compile(r"^(  time     ).*"), r"\1*"),
    (re.compile(r"(SQNR|RMSE) [0-9.e-]+"), r"\1 *"),
    (re.compile(r"^(\[\d+/\d+\] .*), [0-9.]+ s$"), r"\1, * s"),
    (re.compile(r'"(seconds|threads|isa)":[^,}]+'), r'"\1":*'),
    (re.compile(re.escape(tempfile.gettempdir()) + r"/[^/ ]*/"), "*/"),
]
NAMES = ["quantpress", "MNNConvert", "mnnconvert"]


def environment(folder, binary):
    """A path on which the program has its three names, without settings of the user."""
    tools = folder / "bin"
    tools.mkdir()
    for name in NAMES:
        (tools / name).symlink_to(binary)
    models = tools / "models"
    models.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "models.py"}" "$@"\n')
    models.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k not in ("QUANTPRESS_ISA", "NO_COLOR", "TERM")}
    return dict(env, PATH=f"{tools}:{env.get('PATH', '/usr/bin:/bin')}", LC_ALL="C", DOCS=str(HERE.parents[1] / "docs"))


def matches(pattern, line):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), line) is not None


def same(expected, text):
    lines = text.splitlines()
    if expected and expected[-1] == "...":
        expected = expected[:-1]
        lines = lines[: len(expected)]
    return len(expected) == len(lines) and all(map(matches, expected, lines))


class Step:
    def __init__(self, command, number):
        self.command, self.number = command, number
        self.out, self.err, self.code, self.condition = [], [], 0, None


def read_case(path):
    """The steps, and for every line of the file the step that it belongs to (None: comment or empty)."""
    steps, condition = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark, text = line[:1], line[2:]
        if mark == "$":
            steps.append(Step(text, number))
            steps[-1].condition, condition = condition, None
        elif mark == ">":
            steps[-1].out.append(text)
        elif mark == "!":
            steps[-1].err.append(text)
        elif mark == "?":
            steps[-1].code = int(text)
        elif mark == "@":
            condition = text
        elif mark not in ("", "#"):
            raise SystemExit(f"{path}:{number}: a line starts with one of # $ > ! ? @")
    return steps


def run_step(step, folder, env):
    """None where the step is skipped."""
    if step.condition == "not-root" and os.geteuid() == 0:
        return None
    done = subprocess.run(["sh", "-c", step.command], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120)
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.returncode


def run_case(path, models, env):
    """Problems as text, and the steps with what they printed."""
    problems, results = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for model in models:
            shutil.copy(model, folder)
        for step in read_case(path):
            result = run_step(step, folder, env)
            results.append((step, result))
            if result is None:
                continue
            out, err, code = result
            if not same(step.out, out) or not same(step.err, err) or step.code != code:
                shown = "".join(f"> {l}\n" for l in out.splitlines()) + "".join(f"! {l}\n" for l in err.splitlines())
                problems.append(f"{path.name}:{step.number}: $ {step.command}\n{shown}? {code}")
    return problems, results


def generalised(mark, line):
    """An expected line without what differs between machines and runs."""
    for pattern, text in VARIABLE:
        line = pattern.sub(text, line)
    return f"{mark} {line}".rstrip()


def accept(path, results):
    """Rewrites the expected lines of steps that did not match."""
    by_line = {step.number: (step, result) for step, result in results}
    lines, skip = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if number in by_line:
            step, result = by_line[number]
            out, err, code = result or ("", "", 0)
            skip = result is not None and not (same(step.out, out) and same(step.err, err) and step.code == code)
            lines.append(line)
            if skip:
                lines += [generalised(">", l) for l in out.splitlines()] + [generalised("!", l) for l in err.splitlines()]
                lines += [f"? {code}"] if code else []
        elif not (skip and line[:1] in (">", "!", "?")):
            lines.append(line)
    path.write_text("\n".join(lines) + "\n")


def main():
    words = sys.argv[1:]
    rewrite = "--accept" in words
    wanted = [word for word in words if word != "--accept"]
    paths = [path for path in sorted((HERE / "cases").glob("*.txt")) if not wanted or path.stem in wanted]
    if not paths:
        raise SystemExit("no such case")
    binary = pathlib.Path(os.environ.get("QUANTPRESS_BINARY", HERE.parents[1] / "build/release/tools/quantpress")).resolve()
    failed = steps = skipped = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        env = environment(folder, binary)
        onnx, mnn = folder / "tiny.onnx", folder / "tiny.mnn"
        subprocess.run(["models", "tiny", onnx], env=env, check=True)
        subprocess.run(["quantpress", "convert", "--modelFile", onnx, "--MNNModel", mnn, "--quiet"], env=env, check=True)
        found = json.loads(subprocess.run(["quantpress", "cpu", "--json"], env=env, check=True, capture_output=True).stdout)
        env["SLOWEST"] = found["available"][0]
        for path in paths:
            problems, results = run_case(path, [onnx, mnn], env)
            steps += len(results)
            skipped += sum(result is None for _, result in results)
            failed += bool(problems)
            for problem in problems:
                print(problem, flush=True)
            if rewrite and problems:
                accept(path, results)
    print(f"{len(paths)} cases, {steps} commands, {skipped} skipped, {failed} cases failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
