"""Checks what pythia needs from this machine."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pythia_cli import release, settings
from pythia_cli.checkpoints import hub, hub_environment
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.diagnostics.bench import read_bandwidth
from pythia_cli.errors import NewerFormat, NotInstalled, PythiaError
from pythia_cli.files.publishing import nearest_existing
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.system import cores

LIBRARIES = (
    *("numpy", "numba", "llvmlite", "tokenizers", "safetensors", "torch", "huggingface_hub"),
    *("typer", "rich"),
)
_SHOWN = ("avx2", "avx512bw", "avx512vnni", "avxvnni", "neon", "dotprod")  # processor features
_BYTES_410M = 354e6  # read to decode one token of pythia-410m
_LITTLE_DISK = 2e9  # bytes; enough for the 410M as float and as int8
_LITTLE_MEMORY = 1e9


@dataclass(frozen=True)
class Finding:
    """The result of one check: its name and value; if there is a problem, what helps.

    remedy: a command or a setting. error: the exception behind the problem, if there was one.
    """

    name: str
    value: str
    problem: str | None = None
    remedy: str | None = None
    error: PythiaError | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "value": self.value, "problem": self.problem}


def examine(
    store: Store, n_threads: int | None = None, reporter: Reporter = SILENT
) -> Iterator[Finding]:
    """Run all checks one by one. Takes some seconds and changes nothing."""
    n_threads = n_threads or cores.n_threads()
    with reporter.task("checking", len(_LOOKS), "checks") as task:
        for look in _LOOKS:
            name = look.__name__.strip("_")
            try:
                yield from look(store, n_threads)
            except PythiaError as error:  # reported too: doctor runs when things fail
                yield Finding(name, "cannot be checked", str(error), error=error)
            except (OSError, ValueError) as error:
                yield Finding(name, "cannot be checked", str(error))
            task.advance(1)


def _versions(store: Store, n_threads: int) -> Iterator[Finding]:
    found, missing = [f"pythia {release.in_words()}", f"python {platform.python_version()}"], []
    for library in LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            missing.append(library)
    if missing:
        problem = f"not installed: {', '.join(missing)}"
        yield Finding("versions", ", ".join(found), problem, f"pip install {' '.join(missing)}")
    else:
        yield Finding("versions", ", ".join(found))


def _processor(store: Store, n_threads: int) -> Iterator[Finding]:
    from pythia_cli.jit import processor, tiers

    features, architecture = processor.features(), processor.architecture()
    shown = [name for name in _SHOWN if features.get(name)]
    found = ", ".join([processor.name(), *shown])
    yield Finding("processor", f"{architecture}, {found}")
    try:
        best = tiers.choose(architecture, features, "")
        used = tiers.choose(architecture, features, settings.simd())
    except PythiaError as error:
        yield Finding("SIMD tier", settings.simd(), str(error), "unset PYTHIA_SIMD")
        return
    problem = remedy = None
    if used != best:
        problem, remedy = f"PYTHIA_SIMD limits it, and {best.name} is possible", "unset PYTHIA_SIMD"
    elif best.name == "plain":
        problem = "no SIMD tier supports this processor, so it is several times slower"
        remedy = "use a processor with AVX2, AVX-512 or the ARM dot product"
    yield Finding("SIMD tier", used.name, problem, remedy)


def _threads(store: Store, n_threads: int) -> Iterator[Finding]:
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("threads", f"{n_threads}, on {granted} logical processors of {os.cpu_count()}")
    if not hasattr(os, "getloadavg"):
        return
    load = os.getloadavg()[0]
    busy = load > 0.5 * n_threads + 0.5
    yield Finding(
        "load",
        f"{load:.1f}",
        "other processes are running, so measured speeds will be low" if busy else None,
        "top" if busy else None,
    )


def _memory(store: Store, n_threads: int) -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        free, total = kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return
    little = free < _LITTLE_MEMORY
    yield Finding(
        "memory",
        f"{free / 1e9:.1f} GB available of {total / 1e9:.1f}",
        "pythia-410m needs 0.5 GB, and up to 1.5 GB during quantization" if little else None,
        "close other programs, or use a smaller model, such as pythia-70m" if little else None,
    )
    if not little:
        rate = read_bandwidth(n_threads)
        bound = rate * 1e9 / _BYTES_410M
        yield Finding(
            "memory bandwidth",
            f"{rate:.1f} GB/s read; pythia-410m decodes up to about {bound:.0f} tokens/s",
        )


def _store(store: Store, n_threads: int) -> Iterator[Finding]:
    everything = store.installed()
    n_bytes = sum(installed.n_bytes() for installed in everything)
    problem, remedy = _writable(store, everything)
    existing = nearest_existing(store.folder)
    free = shutil.disk_usage(existing).free
    value = f"{store.folder}: {len(everything)} checkpoints, {n_bytes / 1e6:,.0f} MB"
    if problem is None and free < _LITTLE_DISK:
        problem, remedy = "little disk space is left", "set PYTHIA_HOME to a folder on another disk"
        if n_bytes > _LITTLE_DISK:
            remedy = "pythia checkpoint remove"
    value += f", {_mode(store.folder)}; {free / 1e9:,.1f} GB free"
    yield Finding("store", value, problem, remedy)
    for installed in everything:
        try:
            open_checkpoint(store, installed.checkpoint, is_use=False)
        except NewerFormat as error:
            yield Finding("checkpoint", str(installed.checkpoint), str(error), error=error)
        except PythiaError as error:
            remedy = f"pythia checkpoint verify {installed.checkpoint}"
            yield Finding("checkpoint", str(installed.checkpoint), str(error), remedy)
    try:
        active = store.active()
    except PythiaError as error:
        yield Finding("active checkpoint", "?", str(error), error=error)
        return
    if active is None:
        yield Finding("active checkpoint", "none chosen; the built-in demo is used")
    else:
        try:
            store.get(active)
        except NotInstalled as error:
            yield Finding("active checkpoint", str(active), "is not installed", error=error)
        else:
            yield Finding("active checkpoint", str(active))


def _kernels(store: Store, n_threads: int) -> Iterator[Finding]:
    from pythia_cli.jit.library import COMPILE_TIME
    from pythia_cli.kernels import compiled

    folder = settings.cache_folder() / "kernels"
    cache = compiled.cache()
    kept = cache.read() is not None
    state = "compiled" if kept else f"to be compiled by the first run, in {COMPILE_TIME}"
    if cache.fault:
        state = f"the file {cache.fault}; the next run compiles them again"
    remedy = "fix this, or set PYTHIA_CACHE to another folder" if cache.problem else None
    value = f"{folder}: {state}"
    if not cache.problem and folder.exists():
        n_bytes = sum(path.stat().st_size for path in folder.iterdir())
        value += f", {n_bytes / 1e6:,.1f} MB, {_mode(folder)}"
    yield Finding("kernels", value, cache.problem or None, remedy)


def _hub(store: Store, n_threads: int) -> Iterator[Finding]:
    settings.check_hub_variables()
    endpoint = hub_environment.endpoint()
    if hub.is_offline():
        yield Finding("Hub", f"{endpoint}: offline, because HF_HUB_OFFLINE is set")
        return
    try:
        seconds = hub.greet()
    except PythiaError as error:
        yield Finding("Hub", endpoint, str(error), error=error)
        return
    login = "with a token" if hub.has_token() else "without a login, which Pythia does not need"
    yield Finding("Hub", f"{endpoint}: answers in {seconds:.1f} s, {login}")


_LOOKS = (_versions, _processor, _threads, _memory, _store, _kernels, _hub)


def _mode(folder: Path) -> str:
    """Permissions as shown by `ls -l`."""
    return stat.filemode(folder.stat().st_mode) if folder.exists() else "does not exist yet"


def _writable(store: Store, everything: list[Installed]) -> tuple[str | None, str | None]:
    """What prevents adding or removing checkpoints, and what helps; None if nothing does."""
    how = "PYTHIA_HOME"
    existing = nearest_existing(store.folder)
    if not existing.is_dir():
        return f"{existing} is not a folder", f"choose another with {how}"
    own = [store.folder / name for name in ("checkpoints", "incoming", "locks", "tokenizers")]
    models = {installed.folder.parent for installed in everything}
    steps = [installed.folder for installed in everything]
    if unreadable := store.unreadable():
        return f"{unreadable[0]} cannot be read", f"chmod u+rx {shlex.quote(str(unreadable[0]))}"
    for folder in (existing, *own, *sorted(models), *steps):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return (
                f"{folder} cannot be written: checkpoints can be used, but not added or removed",
                f"chmod u+w {shlex.quote(str(folder))}, or choose another folder with {how}",
            )
    return None, None
