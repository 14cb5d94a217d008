"""kill -9 at 50 random moments of a sweep of 16 checkpoints by three measures, each run again.

    python bench/sweep_kills.py [--kills 50] [--seed 0]

The checkpoints are the demo's four and 12 random steps of pythia-14m from a fake Hub on this
machine. The final table has to be that of an undisturbed run, byte for byte; no cell is measured
twice after it was published; no stray file is left in the sweep or the store. The last line is
JSON.
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
from tests.fakes.random_suite import make_random_steps
from tests.sweeping import SweepKilling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Hub(make_random_steps(folder / "hub")) as hub:
            (folder / "runs").mkdir()
            pythia = Pythia(folder / "store", folder / "cache", folder / "runs")
            pythia("generate", "x", "-n", "1")  # compiles the kernels
            killing = SweepKilling(pythia, hub, folder / "runs", seed=arguments.seed)
            while killing.n_killed < arguments.kills:
                killing.kill()
                if killing.n_killed % 5 == 0:
                    print(f"{killing.n_killed} killed", file=sys.stderr, flush=True)
            killing.finish()
    figures = {"killed": killing.n_killed, "finished": killing.n_finished}
    print(json.dumps({**figures, "undisturbed_s": round(killing.seconds, 1)}))


if __name__ == "__main__":
    main()
