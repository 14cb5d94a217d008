"""Ctrl-C at random moments: does the command end at once, with status 130, and without noise?

    python bench/interrupts.py [N] [--threads 2] [--seed 1]

Two commands are each run N times, and get a SIGINT at a random moment between 0.05 s and their
normal end. Runs that end in another way are listed on stderr; the last line of stdout is JSON. A
SIGINT during Python's own shutdown kills the process; this is listed as status -2.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EARLIEST, LATE, HANGS = 0.05, 1.0, 20.0  # seconds
MODEL_LINE = re.compile(r".+, (int8|float32)\b.*|to use pythia-410m: pythia download")
COMMANDS = {
    "generate": ("generate", "It was", "-n", "400", "--ignore-eos"),
    "perplexity": ("perplexity", str(ROOT / "pythia_cli/demo/eval.txt")),
}


@dataclass(frozen=True)
class End:
    """How a process ended: `moment` is from start to signal, `seconds` from signal to exit."""

    moment: float
    seconds: float
    status: int | str
    noise: str


def start(command: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pythia_cli", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def natural_seconds(command: tuple[str, ...], environment: Mapping[str, str]) -> float:
    """Seconds from start to exit, without a signal."""
    started = time.perf_counter()
    process = start(command, environment)
    _, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} exited {process.returncode}: {err.decode()}")
    return time.perf_counter() - started


def interrupted(command: tuple[str, ...], environment: Mapping[str, str], moment: float) -> End:
    process = start(command, environment)
    time.sleep(moment)
    before = process.poll() is not None
    process.send_signal(signal.SIGINT)
    sent = time.perf_counter()
    try:
        _, err = process.communicate(timeout=HANGS)
        status: int | str = "ended before" if before else process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
        status = "hung"
    seconds = time.perf_counter() - sent
    lines = err.decode(errors="replace").splitlines()
    noise = [line for line in lines if not MODEL_LINE.fullmatch(line)]
    return End(moment, seconds, status, "\n".join(noise))


def summary(ends: list[End]) -> dict[str, object]:
    signalled = [end for end in ends if end.status != "ended before"]
    return {
        "n": len(ends),
        "exited_130": sum(end.status == 130 for end in ends),
        "statuses": dict(Counter(str(end.status) for end in ends).most_common()),
        "late": sum(end.seconds > LATE for end in signalled),
        "noisy": sum(bool(end.noise) for end in ends),
        "median_seconds": statistics.median(end.seconds for end in signalled or ends),
        "most_seconds": max(end.seconds for end in signalled or ends),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int, nargs="?", default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    record: dict[str, object] = {"threads": arguments.threads, "seed": arguments.seed}
    with tempfile.TemporaryDirectory() as home:
        environment = {"PYTHIA_HOME": home, "PYTHIA_THREADS": str(arguments.threads)}
        for name, command in COMMANDS.items():
            natural_seconds(command, environment)  # the first run may quantize and compile
            natural = statistics.median(natural_seconds(command, environment) for _ in range(3))
            moments = [draw.uniform(EARLIEST, natural) for _ in range(arguments.n)]
            ends = [interrupted(command, environment, moment) for moment in moments]
            found = {"natural_seconds": natural, **summary(ends)}
            print(f"{name}: {found}", file=sys.stderr)
            odd = [
                end
                for end in ends
                if end.status not in (130, "ended before") or end.noise or end.seconds > LATE
            ]
            for end in odd:
                print(f"  {end}", file=sys.stderr)
            record[name] = {**found, "odd": [asdict(end) for end in odd]}
    print(json.dumps(record))


if __name__ == "__main__":
    main()
