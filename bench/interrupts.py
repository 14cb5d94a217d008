"""Ctrl-C at random moments: does the command end at once, with status 130, and without noise?

    python bench/interrupts.py [N] [--threads 2] [--seed 1]

Each command is run N times, and gets a SIGINT at a random moment between 0.05 s and its normal end,
or some seconds if that is far: a text of 200 MB that is read and tokenized, standard input that
gives nothing, a Hub that is slow or silent. Runs that end in another way are listed on stderr; the
last line of stdout is JSON. A SIGINT during Python's own shutdown kills the process; this is listed
as status -2.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.hub import Faults, Hub  # noqa: E402
from tests.fakes.suite import MODEL, make_repository  # noqa: E402

EARLIEST, LATE, HANGS = 0.05, 1.0, 20.0  # seconds
EVAL_TEXT = ROOT / "pythia_cli/demo/eval.txt"
LARGE = 200 << 20  # bytes
EXPECTED = re.compile(
    r".+, (int8|float32)\b.*|to use pythia-410m: pythia download"
    r"|fetching .*|.* are kept; .*|.*wait.*"
)


@dataclass(frozen=True)
class Command:
    """latest: the last moment of a signal, in seconds; None is the command's normal end."""

    arguments: tuple[str, ...]
    latest: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def commands(large: Path, silent: Hub, slow: Hub) -> dict[str, Command]:
    silent.faults = Faults(silent=True)
    slow.faults = Faults(pause_seconds=0.05)
    download = ("download", "-m", MODEL, "-c", "512")
    return {
        "generate": Command(("generate", "It was", "-n", "400", "--ignore-eos")),
        "perplexity": Command(("perplexity", str(EVAL_TEXT))),
        "large text": Command(("perplexity", str(large)), 20),
        "many lines": Command(("perplexity", str(large), "--protocol", "document"), 20),
        "silent input": Command(("perplexity", "-"), 3),
        "silent Hub": Command(download, 4, {"HF_ENDPOINT": silent.url}),
        "slow Hub": Command(download, 4, {"HF_ENDPOINT": slow.url}),
    }


@dataclass(frozen=True)
class End:
    """How a process ended: `moment` is from start to signal, `seconds` from signal to exit."""

    moment: float
    seconds: float
    status: int | str
    noise: str


def start(command: Command, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pythia_cli", *command.arguments],
        stdin=subprocess.PIPE if "-" in command.arguments else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **environment, **command.environment},
    )


def natural_seconds(command: Command, environment: Mapping[str, str]) -> float:
    """Seconds from start to exit, without a signal."""
    started = time.perf_counter()
    process = start(command, environment)
    _, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} exited {process.returncode}: {err.decode()}")
    return time.perf_counter() - started


def interrupted(command: Command, environment: Mapping[str, str], moment: float) -> End:
    process = start(command, environment)
    assert process.stderr
    time.sleep(moment)
    before = process.poll() is not None
    process.send_signal(signal.SIGINT)
    sent = time.perf_counter()
    try:
        process.wait(timeout=HANGS)  # standard input stays open
        status: int | str = "ended before" if before else process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        status = "hung"
    seconds = time.perf_counter() - sent
    with process:
        lines = process.stderr.read().decode(errors="replace").splitlines()
    noise = [line for line in lines if not EXPECTED.fullmatch(line)]
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
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = {
            "PYTHIA_HOME": str(folder / "store"),
            "HF_HOME": str(folder / "hf"),
            "PYTHIA_THREADS": str(arguments.threads),
        }
        large = folder / "large.txt"
        text = EVAL_TEXT.read_bytes()
        large.write_bytes(text * (LARGE // len(text)))
        served = make_repository(folder / "hub")
        with Hub(served) as silent, Hub(served) as slow:
            found = measure(commands(large, silent, slow), environment, arguments.n, draw)
    print(json.dumps(record | found))


def measure(
    given: Mapping[str, Command], environment: Mapping[str, str], n: int, draw: random.Random
) -> dict[str, object]:
    record: dict[str, object] = {}
    for name, command in given.items():
        latest = command.latest
        if latest is None:
            natural_seconds(command, environment)  # the first run may quantize and compile
            latest = statistics.median(natural_seconds(command, environment) for _ in range(3))
        moments = [draw.uniform(EARLIEST, latest) for _ in range(n)]
        ends = [interrupted(command, environment, moment) for moment in moments]
        found = {"latest": latest, **summary(ends)}
        print(f"{name}: {found}", file=sys.stderr)
        odd = [
            end
            for end in ends
            if end.status not in (130, "ended before") or end.noise or end.seconds > LATE
        ]
        for end in odd:
            print(f"  {end}", file=sys.stderr)
        record[name] = {**found, "odd": [asdict(end) for end in odd]}
    return record


if __name__ == "__main__":
    main()
