"""kill -9 at 200 random moments of a download, from a fake Hub on this machine.

    python bench/kills.py [--kills 200] [--seed 0]

After each kill it checks that all listed checkpoints verify, that earlier ones are still installed,
and that the next run succeeds and leaves no stray file. The last line is JSON.
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
from tests.killing import Killing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Hub(make_repository(folder / "hub")) as hub:
            pythia = Pythia(folder / "store", folder / "cache", folder)
            killing = Killing(pythia, hub, folder, arguments.seed)
            n_runs = n_killed = 0
            while n_killed < arguments.kills:
                n_runs += 1
                if killing.kill():
                    n_killed += 1
                    killing.check()
                    killing.restore()
                    if n_killed % 20 == 0:
                        print(f"{n_killed} killed", file=sys.stderr, flush=True)
    print(json.dumps({"runs": n_runs, "killed": n_killed, "undisturbed_s": killing.seconds}))


if __name__ == "__main__":
    main()
