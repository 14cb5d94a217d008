"""A full-size download that is interrupted at random: how many bytes does it take in all?

    python bench/resume.py [--times 10] [--seed 1] [--full FOLDER]

A fake Hub on loopback serves a random pythia-410m (911 MB; FOLDER, or made). The download is ended
so many times at a random byte, by Ctrl-C, SIGTERM, kill -9 or a lost connection, and started
again; then it runs to its end. Bytes count as sent when the fake Hub has handed them to the system,
so they include what the dying process did not read. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from full_model import float_model  # noqa: E402

from tests.fakes.hub import Branch, Faults, Hub  # noqa: E402

REPO, WEIGHTS = "EleutherAI/pythia-410m", "model.safetensors"
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, None)  # None: the connection is lost
PAUSE_SECONDS = 0.0005  # between pieces of 64 KiB, so that there is a moment to hit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", type=Path)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = float_model(given.full or Path(scratch) / "model")
        size = (folder / WEIGHTS).stat().st_size
        with Hub({REPO: {"step1000": Branch("1" * 40, folder)}}) as hub:
            hub.faults = Faults(pause_seconds=PAUSE_SECONDS)
            ends: list[str] = []
            moments = sorted(chance.randrange(size) for _ in range(given.times))
            for moment, end in zip(moments, itertools.cycle(ENDS), strict=False):
                interrupt(hub, Path(scratch), moment, end)
                ends.append("lost" if end is None else end.name)
                print(f"{ends[-1]} at {moment / 1e6:.0f} MB; sent {sent(hub) / 1e6:.0f} MB")
            hub.faults = Faults()
            status = start(hub, Path(scratch)).wait()
            record = {"size": size, "sent": sent(hub), "ratio": sent(hub) / size}
            print(json.dumps({"status": status, "ends": ends, **record}))


def start(hub: Hub, scratch: Path) -> subprocess.Popen[bytes]:
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(scratch / "hf"),
        "PYTHIA_HOME": str(scratch / "store"),
    }
    command = [sys.executable, "-m", "pythia_cli", "download", "-m", "pythia-410m", "-c", "1000"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})


def interrupt(hub: Hub, scratch: Path, moment: int, end: signal.Signals | None) -> None:
    """Run the download until so many bytes of the weights were sent, then end it."""
    process = start(hub, scratch)
    while sent(hub) < moment and process.poll() is None:
        time.sleep(0.002)
    if end is None:  # the faults in use now, so that the running transfer is cut
        hub.faults.truncate = 0
        hub.faults.api_status_for_ever = 503
    else:
        process.send_signal(end)
    process.wait()
    hub.faults = Faults(pause_seconds=PAUSE_SECONDS)


def sent(hub: Hub) -> int:
    """Bytes of the weights that the Hub has sent in all."""
    return sum(n_bytes for _, n_bytes in hub.transfers)


if __name__ == "__main__":
    main()
