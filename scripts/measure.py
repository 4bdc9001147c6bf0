"""Runs one command and measures wall and CPU time, peak resident memory and peak anonymous memory."""

import dataclasses
import os
import subprocess
import threading
import time

SAMPLE_SECONDS = 0.002


@dataclasses.dataclass
class Measured:
    seconds: float
    resident_mb: float  # peak, mapped file pages included, as last sampled
    anonymous_mb: float  # peak of what was sampled, mapped file pages not included
    cpu_seconds: float = 0  # of all threads


def memory_kb(pid):
    """-> anonymous memory now, peak of resident memory since the program was started"""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("RssAnon", "VmHWM"):
                found[name] = int(value.split()[0])
    return found["RssAnon"], found["VmHWM"]


def measure(command, cwd=None):
    anonymous = resident = 0
    done = threading.Event()

    def watch(pid):
        nonlocal anonymous, resident
        while not done.is_set():
            try:
                now, resident = memory_kb(pid)
            except (OSError, KeyError):  # it has ended
                return
            anonymous = max(anonymous, now)
            time.sleep(SAMPLE_SECONDS)

    with open(os.devnull, "wb") as null:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=null, stdout=null, stderr=subprocess.PIPE, cwd=cwd
        )
        watcher = threading.Thread(target=watch, args=(process.pid,))
        watcher.start()
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]}: status {process.returncode}: {message.decode(errors='replace')[-1000:]}")
    # Not usage.ru_maxrss, which starts at what this process had when it forked.
    return Measured(seconds, resident / 1024, anonymous / 1024, usage.ru_utime + usage.ru_stime)
