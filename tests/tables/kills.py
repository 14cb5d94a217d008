"""A kill just before every call that changes a file of a table, and what has to be true then.

python -m tests.tables.kills FOLDER SUFFIX EVERY

After each kill, or after two of them, the run is resumed; the table is then the same, byte for
byte, as that of a run that nobody killed. The last line is the number of kills.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pythia_cli.tables import table_file
from tests.faults import Moments
from tests.tables.runs import names, run, write_items

N_ITEMS = 10


class Kills:
    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.out = folder / "out", folder / "out" / f"a{suffix}"
        self.source = folder / "items.jsonl"
        write_items(self.source, N_ITEMS)
        self.folder.mkdir()
        self.moments = Moments(self.folder)
        self.work()
        self.whole = self._content()
        self.clear()
        self.moments.run(self.work, sys.maxsize, lambda: None)
        self.n_moments = self.moments.n

    def work(self) -> None:
        run(self.source, self.out, resume=True)

    def clear(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def kill(self, k: int) -> None:
        """In a child, just before its k-th moment; it may be done before."""

        def work() -> None:
            self.moments.run(self.work, k, lambda: os.kill(os.getpid(), signal.SIGKILL))

        in_child(work)

    def check(self) -> None:
        self.work()
        assert self._content() == self.whole
        assert names(self.folder, self.out.name) == ["", ".meta.json"], os.listdir(self.folder)
        self.clear()

    def _content(self) -> bytes:
        return self.out.read_bytes() + Path(f"{self.out}.meta.json").read_bytes()


def in_child(work: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    os.waitpid(pid, 0)


def main() -> None:
    folder, suffix, every = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    table_file._SAVE_SECONDS = 0.0  # every batch can be resumed from
    kills, draw = Kills(folder, suffix), random.Random(1)
    n = 0
    for k in range(0, kills.n_moments, every):
        kills.clear()
        kills.kill(k)
        kills.check()
        kills.kill(k)
        kills.kill(draw.randrange(kills.n_moments))
        kills.check()
        n += 3
    print(n)


if __name__ == "__main__":
    main()
