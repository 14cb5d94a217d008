"""A JSONL of 5,000 prompts with line ends, killed at 20 random moments and resumed.

    python bench/resumed_prompts.py [--prompts 5000] [--kills 20] [--seed 0]

Uses the demo, and no seed. The table has to be that of one run with its seed, byte for byte, with
each id once. The last line is JSON: the seconds of an undisturbed run, and from which item each run
went on.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pythia_cli import settings
from tests.cli.running import Pythia
from tests.resuming import kill_and_resume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pythia = Pythia(folder / "store", settings.cache_folder(), folder)
        draw = random.Random(arguments.seed)
        found = kill_and_resume(pythia, folder, arguments.prompts, arguments.kills, draw)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
