"""kill -9 at 200 random moments of a download, from a fake Hub on this machine.

    python bench/kills.py [--kills 200] [--seed 0] [--locks work|ignored|ENOSYS]

After each kill it checks that all listed checkpoints verify, that earlier ones are still installed,
that the next run succeeds, and that a day later no stray file is left. The last line is JSON.
bench/faults.py is faster and does it at every moment, without downloading.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.suite import make_repository
from tests.faults import LOCKS
from tests.killing import Killing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--locks", choices=LOCKS, default="work")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Hub(make_repository(folder / "hub")) as hub:
            pythia = Pythia(folder / "store", folder / "cache", folder)
            killing = Killing(pythia, hub, folder, arguments.seed, arguments.locks)
            n_runs = n_killed = 0
            while n_killed < arguments.kills:
                n_runs += 1
                if killing.kill():
                    n_killed += 1
                    killing.check()
                    killing.restore()
                    if n_killed % 20 == 0:
                        print(f"{n_killed} killed", file=sys.stderr, flush=True)
    figures = {"runs": n_runs, "killed": n_killed, "undisturbed_s": killing.seconds}
    print(json.dumps({"locks": arguments.locks, **figures}))


if __name__ == "__main__":
    main()
