"""Installs the build, uses it from another project, makes the packages, and runs the program out of each.

usage: test_install.py BUILD_FOLDER ARCHITECTURE [--toolchain FILE] [--emulator COMMAND...]
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGITS = ROOT / "tests/data/digits.onnx"
options = argparse.ArgumentParser()
options.add_argument("build", type=pathlib.Path)
options.add_argument("architecture", choices=["amd64", "arm64"])
options.add_argument("--toolchain")
options.add_argument("--emulator", nargs=argparse.REMAINDER, default=[])
ARGS = None


def run(*command, **more):
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        **more,
    )
    if done.returncode:
        raise AssertionError(f"{command[0]}: status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.prefix = cls.folder / "prefix"
        run("cmake", "--install", ARGS.build, "--prefix", cls.prefix)
        run("cpack", "--config", ARGS.build / "CPackConfig.cmake", "-B", cls.folder / "packages")
        stem = f"quantpress_*_{ARGS.architecture}"
        (cls.deb,), (cls.tgz,) = ([*(cls.folder / "packages").glob(f"{stem}{end}")] for end in (".deb", ".tar.gz"))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def check_program(self, prefix):
        """The program below `prefix` runs, converts a model, and answers to the drop-in's name."""
        self.assertRegex(run(*ARGS.emulator, prefix / "bin/quantpress", "version"), r"\d+\.\d+\.\d+")
        target = self.folder / "digits.mnn"
        for program in ("quantpress", "MNNConvert"):
            target.unlink(missing_ok=True)
            command = ["convert"] if program == "quantpress" else []
            run(
                *ARGS.emulator,
                prefix / "bin" / program,
                *command,
                "-f",
                "ONNX",
                "--modelFile",
                DIGITS,
                "--MNNModel",
                target,
                "--weightQuantBits",
                "4",
                "--hqq",
                "--weightQuantBlock",
                "32",
            )
            self.assertLess(target.stat().st_size, DIGITS.stat().st_size / 4)

    def test_installed_tree(self):
        self.check_program(self.prefix)
        page = (self.prefix / "share/man/man1/quantpress.1").read_text()
        completion = (self.prefix / "share/bash-completion/completions/quantpress").read_text()
        for option in ("weightQuantBits", "weightQuantBlock", "hqq"):
            self.assertIn(option, page)
            self.assertIn(option, completion)
        run("bash", "-n", self.prefix / "share/bash-completion/completions/quantpress")

    def test_only_the_public_headers_are_installed(self):
        headers = {str(path.relative_to(self.prefix / "include")) for path in (self.prefix / "include").rglob("*.h*")}
        self.assertEqual(headers, {"quantpress/quantpress.h", "quantpress/quantpress_c.h"})
        # They need nothing but the standard library of their language.
        for name, language, compiler in (("quantpress", "c++17", "g++"), ("quantpress_c", "c++17", "g++"), ("quantpress_c", "c11", "gcc")):
            source = self.folder / ("only.cc" if compiler == "g++" else "only.c")
            source.write_text(f"#include <quantpress/{name}.h>\n")
            command = [compiler, f"-std={language}", "-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-I", self.prefix / "include", source]
            run(*command, "-fsyntax-only")
            self.assertNotRegex(run(*command, "-M"), r"/(absl|fmt|tbb|oneapi|hwy|flatbuffers|nlohmann)/")

    def test_examples_use_the_library(self):
        """The programs of docs/examples, as somebody else would build them: their models are those of the command line."""
        build = self.folder / "examples"
        package = next(self.prefix.glob("lib*/**/cmake/quantpress"))
        toolchain = [f"-DCMAKE_TOOLCHAIN_FILE={ARGS.toolchain}"] if ARGS.toolchain else []
        examples = next((self.prefix / "share/doc").glob("*/examples"))
        run("cmake", "-G", "Ninja", "-S", examples, "-B", build, f"-Dquantpress_DIR={package}", *toolchain)
        run("cmake", "--build", build)
        by_program = self.folder / "program.mnn"
        options = "--weightQuantBits 4 --hqq --weightQuantBlock 32 --rule op:ConvolutionDepthwise=bits:8,block:-1".split()
        program = self.prefix / "bin/quantpress"
        run(*ARGS.emulator, program, "convert", "--modelFile", DIGITS, "--MNNModel", by_program, *options)
        for example in ("convert_cpp", "convert_c"):
            target, report = self.folder / f"{example}.mnn", self.folder / f"{example}.json"
            printed = run(*ARGS.emulator, build / example, DIGITS, target, report)
            self.assertEqual(target.read_bytes(), by_program.read_bytes())
            self.assertEqual(len(re.findall(r"4 bit HQQ.*SQNR [0-9.]+ dB", printed)), 5, printed)
            self.assertEqual(len(json.loads(report.read_text())["layers"]), 5)
            missing = self.folder / "missing.onnx"
            with self.assertRaisesRegex(AssertionError, "missing.onnx"):
                run(*ARGS.emulator, build / example, missing, target)

    def test_deb(self):
        run("dpkg-deb", "-x", self.deb, self.folder / "deb")
        self.check_program(self.folder / "deb/usr")
        self.assertEqual(run("dpkg-deb", "-f", self.deb, "Architecture").strip(), ARGS.architecture)
        declared = set(re.findall(r"[a-z][a-z0-9+.-]+(?=[ ,(]|$)", run("dpkg-deb", "-f", self.deb, "Depends")))
        if ARGS.architecture == "amd64":  # only this architecture's libraries are in the machine's package database
            program = self.folder / "deb/usr/bin/quantpress"
            needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program))
            owners = {
                line.split(":")[0]
                for name in needed
                for line in run("dpkg-query", "-S", f"*/{name}").splitlines()
                if "/x86_64-linux-gnu/" in line
            }
            self.assertEqual(owners, declared)

    def test_tar(self):
        (self.folder / "tar").mkdir()
        run("tar", "-xf", self.tgz, "-C", self.folder / "tar")
        (top,) = (self.folder / "tar").iterdir()
        self.check_program(top)


if __name__ == "__main__":
    ARGS = options.parse_args()
    os.environ.pop("DESTDIR", None)
    unittest.main(argv=sys.argv[:1], verbosity=1)
