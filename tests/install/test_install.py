"""Installs the build, uses it from another project, makes the packages, and runs the program out of each.

usage: test_install.py BUILD_FOLDER ARCHITECTURE [--toolchain FILE] [--emulator COMMAND...]
"""

import argparse
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

    def test_project_that_uses_the_library(self):
        build = self.folder / "consumer"
        package = next(self.prefix.glob("lib*/**/cmake/quantpress"))
        toolchain = [f"-DCMAKE_TOOLCHAIN_FILE={ARGS.toolchain}"] if ARGS.toolchain else []
        run(
            "cmake",
            "-G",
            "Ninja",
            "-S",
            ROOT / "tests/install/consumer",
            "-B",
            build,
            f"-Dquantpress_DIR={package}",
            *toolchain,
        )
        run("cmake", "--build", build)
        target = self.folder / "consumer.mnn"
        self.assertIn("5 weights", run(*ARGS.emulator, build / "consumer", DIGITS, target))
        self.assertTrue(target.exists())

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
