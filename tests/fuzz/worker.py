"""One process of a run: checks inputs in turn, within limits of memory and time.

`python -m tests.fuzz.worker NAME SOURCE FIRST N STATE FOLDER`. SOURCE is a seed, or a folder whose
files are the inputs; FIRST and N say which of them. The worker may die at any input, so it writes
each one to STATE first. Each fault is a line of JSON on stdout, once per kind.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import resource
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from pythia_cli.errors import PythiaError
from tests.fuzz.target import Target, input_at, make_target

MOST_MEMORY = 1 << 30
"""Bytes that an input may take, beyond those that a valid one took."""
MOST_SECONDS = 1.0
"""Seconds of CPU that an input may take. The runner ends an input that waits for ever."""

HEAD = struct.Struct("<qqqqq")
"""State: index of the input, accepted, refused, faults, and the length of the input after it."""


def main() -> None:
    name, source, first, n, state, folder = sys.argv[1:]
    faulthandler.enable()  # says where it died
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target = make_target(name, Path(folder))
    target.check(target.valid)
    _limit_memory()
    indices = range(int(first), int(first) + int(n))
    _check_all(target, _inputs(target, name, source, indices), os.open(state, os.O_RDWR))


def _inputs(target: Target, name: str, source: str, indices: range) -> Iterator[tuple[int, bytes]]:
    if not Path(source).is_dir():
        yield from ((index, input_at(target, name, source, index)) for index in indices)
        return
    stored = stored_inputs(Path(source))
    yield from ((index, stored[index].read_bytes()) for index in indices)


def stored_inputs(folder: Path) -> list[Path]:
    """The inputs in a folder, in order."""
    return sorted(folder.iterdir())


def _check_all(target: Target, inputs: Iterator[tuple[int, bytes]], state: int) -> None:
    accepted = refused = faults = 0
    seen: set[str] = set()
    for index, data in inputs:
        os.pwrite(state, HEAD.pack(index, accepted, refused, faults, len(data)) + data, 0)
        fault, is_refused = _check(target, data)
        if fault is None:
            accepted, refused = accepted + (not is_refused), refused + is_refused
        else:
            faults += 1
            if fault not in seen:
                seen.add(fault)
                known = {"index": index, "fault": fault, "data": base64.b64encode(data).decode()}
                print(json.dumps(known), flush=True)
        if fault is not None and fault.startswith("MemoryError"):
            break  # what is left of it may disturb others; the runner starts another worker
        if index % 1000 == 0:
            os.ftruncate(2, 0)  # of interest only if we die
    os.pwrite(state, HEAD.pack(index + 1, accepted, refused, faults, 0), 0)


def _check(target: Target, data: bytes) -> tuple[str | None, bool]:
    """The kind of fault, None if there is none, and whether the input is refused."""
    started = time.process_time()
    is_refused = False
    try:
        target.check(data)
    except PythiaError:
        is_refused = True
    except BaseException as error:  # a panic of Rust code is no Exception
        return _what(error), False
    is_slow = time.process_time() - started > MOST_SECONDS
    return ("slow" if is_slow else None), is_refused


def _what(error: BaseException) -> str:
    """The kind of an exception, and where in our code it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pythia_cli/" in frame.filename]
    ours = ours or [frame for frame in frames if "/tests/fuzz/" in frame.filename]
    kind = f"{type(error).__name__} in {Path(ours[-1].filename).stem}.{ours[-1].name}"
    # What an assertion of a target says before a colon is the same for all inputs.
    return f"{kind}: {str(error).partition(':')[0]}" if isinstance(error, AssertionError) else kind


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
