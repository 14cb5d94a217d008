"""The demo suite, which is built into the package."""

from __future__ import annotations

from pathlib import Path

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO
from pythia_cli.suite.steps import DEMO_STEPS

DEMO_FOLDER = Path(__file__).resolve().parent.parent / "demo"
"""The float checkpoints, one folder for each step."""

DEFAULT = Checkpoint(DEMO, DEMO_STEPS[-1])
"""The checkpoint that runs if none was chosen."""
