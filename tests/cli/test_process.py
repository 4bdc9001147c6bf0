"""Signals, kill -9 and terminals: what needs a conversion that takes a while.

The program is taken from QUANTPRESS_BINARY. Seeds are printed. Needs only Python's standard library.
"""

import fcntl
import json
import os
import pathlib
import pty
import random
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("QUANTPRESS_BINARY", str(HERE.parents[1] / "build/release/tools/quantpress"))
MEGABYTES = 192
OLD = b"what was there before"


class Process(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.source = cls.folder / "large.onnx"
        subprocess.run([sys.executable, HERE / "models.py", "large", cls.source, str(MEGABYTES)], check=True)
        # As slow as can be, so that there is something to hit: one thread, and the slowest instruction set comes first.
        found = json.loads(subprocess.run([BINARY, "cpu", "--json"], check=True, capture_output=True).stdout)
        cls.options = ["--weightQuantBits=4", "--weightQuantBlock=32", "--hqq", "--threads=1", f"--isa={found['available'][0]}"]
        start = time.monotonic()
        cls.complete = {"": cls.convert_fully(), "external": cls.convert_fully("--saveExternalData")}
        cls.seconds = (time.monotonic() - start) / 2

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def command(cls, output, *more):
        return [BINARY, "convert", f"--modelFile={cls.source}", f"--MNNModel={output}", *cls.options, *more]

    @classmethod
    def convert_fully(cls, *more):
        """Content of the output and of its weight file (None where there is none)."""
        output = cls.folder / "complete.mnn"
        subprocess.run(cls.command(output, "--quiet", *more), check=True)
        content = cls.take(output)
        return content

    @staticmethod
    def take(output):
        """Contents of the model and its weight file; both are removed."""
        contents = []
        for path in (output, pathlib.Path(f"{output}.weight")):
            contents.append(path.read_bytes() if path.exists() else None)
            path.unlink(missing_ok=True)
        return contents

    def temporary_files(self):
        return [p.name for p in self.folder.iterdir() if "quantpress-" in p.name]

    def wait_for_work(self, process):
        """Until the conversion has its temporary file."""
        while process.poll() is None and not self.temporary_files():
            time.sleep(0.0005)

    def test_signals_cancel_and_clean_up(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # The same signal twice at once is what timeout(1) sends.
            for times in (1, 2):
                with self.subTest(signal=number.name, times=times):
                    output = self.folder / "signal.mnn"
                    output.write_bytes(OLD)
                    process = subprocess.Popen(self.command(output), stderr=subprocess.PIPE)
                    self.wait_for_work(process)
                    for _ in range(times):
                        process.send_signal(number)
                    error = process.communicate(timeout=60)[1].decode()
                    self.assertEqual(process.returncode, 128 + number, error)
                    self.assertEqual(error, "quantpress: error: cancelled; nothing was written\n")
                    self.assertEqual(output.read_bytes(), OLD)
                    self.assertEqual(self.temporary_files(), [])

    def test_ignored_signals_stay_ignored(self):
        output = self.folder / "nohup.mnn"
        process = subprocess.Popen(self.command(output, "--quiet"), stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_for_work(process)
        process.send_signal(signal.SIGHUP)
        error = process.communicate(timeout=120)[1].decode()
        self.assertEqual((process.returncode, error), (0, ""))
        self.assertEqual(self.take(output), self.complete[""])

    def kill_at_random(self, kind, more, allowed, rounds):
        seed = int(os.environ.get("QUANTPRESS_SEED", time.time_ns() % 1000000))
        print(f"{kind}: QUANTPRESS_SEED={seed}")
        moments = random.Random(seed)
        output = self.folder / "killed.mnn"
        seen = {"old": 0, "new": 0, "none": 0}
        for round_number in range(rounds):
            if round_number % 2 == 0:
                output.write_bytes(OLD)
            process = subprocess.Popen(self.command(output, "--quiet", *more))
            # Half of the moments are around the end, where the output is put in place.
            time.sleep(moments.uniform(0 if round_number % 4 < 2 else 0.9, 1.15) * self.seconds)
            process.kill()
            process.wait()
            model, weights = self.take(output)
            for name in self.temporary_files():
                (self.folder / name).unlink()
            state = "none" if model is None else "old" if model == OLD else "new"
            seen[state] += 1
            if state == "new":
                self.assertEqual([model, weights], self.complete[kind])
            elif round_number % 2 == 0 and not allowed(model):
                self.fail(f"round {round_number}: the old output is gone")
        print(f"{kind}: {seen}")

    def test_kill_leaves_the_old_or_the_new_output(self):
        self.kill_at_random("", [], lambda model: model == OLD, 40)

    def test_kill_with_external_weights(self):
        # A model that stands alone is replaced by a model with a weight file: the old one stays until the new one is complete.
        self.kill_at_random("external", ["--saveExternalData"], lambda model: model == OLD, 20)

    def on_terminal(self, command, environment):
        """What the program prints on a terminal of 60 columns, and its exit code."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "QUANTPRESS_ISA")}
        process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower,
                                   env={**env, "TERM": "xterm", **environment})
        os.close(follower)
        data = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            data += piece
        os.close(leader)
        return data.decode(), process.wait()

    def test_colours(self):
        command = [BINARY, "convert", "--modelFile=missing", "--MNNModel=x.mnn"]
        text, code = self.on_terminal(command, {})
        self.assertEqual(code, 1)
        self.assertIn("\x1b[1;31merror:\x1b[0m cannot open", text)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            text, _ = self.on_terminal(command, environment)
            self.assertTrue(text.startswith("quantpress: error: cannot open"), text)
        # An empty NO_COLOR says nothing.
        self.assertIn("\x1b[", self.on_terminal(command, {"NO_COLOR": ""})[0])

    def test_progress(self):
        if self.seconds < 0.6:
            self.skipTest(f"a conversion takes {self.seconds:.2f} s, too short for a progress line")
        output = self.folder / "progress.mnn"
        text, code = self.on_terminal(self.command(output), {})
        self.assertEqual(code, 0, text)
        lines = text.split("\r\x1b[K")
        updates = [line for line in lines[1:-1] if line]
        self.assertTrue(updates, text)
        self.assertLess(len(updates), 6 * (self.seconds * 3 + 2))
        for update in updates:
            self.assertRegex(update, r"^ *\d+ %  .*(thousand|million) of 50\.3 million w")
            self.assertLess(len(update), 60)
        # The line is taken away before the summary.
        self.assertTrue(lines[-1].startswith(f"{output}: 1 x 4 bit HQQ, block 32"), lines[-1])
        for more, environment in ((["--no-progress"], {}), (["--quiet"], {}), ([], {"TERM": "dumb"})):
            text, _ = self.on_terminal(self.command(output, *more), environment)
            self.assertNotIn("\x1b[K", text)
        self.take(output)

    def test_json_messages(self):
        """On a terminal, in full: every line is an object, without colours and progress."""
        output = self.folder / "json.mnn"
        text, code = self.on_terminal(self.command(output, "--log-format=json", "--verbose"), {})
        self.assertEqual(code, 0, text)
        self.assertNotIn("\x1b", text)
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertEqual({line["level"] for line in lines[:-1]}, {"info"})
        self.assertEqual([line["file"] for line in lines[:-1]], [str(self.source)] * (len(lines) - 1))
        self.assertEqual(lines[-1]["level"], "summary")
        self.assertEqual(lines[-1]["output_bytes"], output.stat().st_size)
        self.take(output)
        text, code = self.on_terminal([BINARY, "convert", "--modelFile=missing", "--MNNModel=x.mnn", "--log-format=json"], {})
        self.assertEqual([json.loads(line).get("level") for line in text.splitlines()], ["error", "summary"])
        # A signal: what happened, then the summary.
        process = subprocess.Popen(self.command(output, "--log-format=json"), stderr=subprocess.PIPE)
        self.wait_for_work(process)
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in process.communicate(timeout=60)[1].splitlines()]
        self.assertEqual([line["level"] for line in lines], ["error", "summary"])
        self.assertEqual(lines[-1]["exit_code"], 128 + signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
