"""`python -m pythia_cli` and the console script: what must come before the slow imports."""

import contextlib
import errno
import os
import signal
from types import FrameType
from typing import NoReturn

_FILES = "allow more open files (ulimit -n)"
_REMEDIES = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOMEM: "allow more memory (ulimit -v)",
}


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _give_up(error: Exception) -> NoReturn:
    """Say that not even the command line can be imported, and exit as for other resources."""
    number = getattr(error, "errno", errno.ENOMEM)
    reason = getattr(error, "strerror", None) or "not enough memory"
    remedy = _REMEDIES.get(number, "install pythia again")
    with contextlib.suppress(OSError):  # stderr is closed
        os.write(2, f"error: pythia cannot be loaded ({reason}); try: {remedy}\n".encode())
    os._exit(7)


def main() -> None:
    """Run the command line and exit with its status."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        # nohup, and & in scripts, start commands with a signal ignored: it stays ignored.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    try:
        from pythia_cli.cli import app
    except (MemoryError, OSError) as error:
        _give_up(error)
    app.main()


if __name__ == "__main__":
    main()
