"""`python -m pythia_cli` and the console script: handles interrupts before the slow imports."""

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def main() -> None:
    """Run the command line and exit with its status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # nohup, and & in scripts, start commands with a signal ignored: it stays ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from pythia_cli.cli import app

    app.main()


if __name__ == "__main__":
    main()
