"""A 64-bit ARM machine, emulated by qemu: a few Debian packages, and wheels for it.

About 390 MB, made once in a folder and used again. Python and its libraries are unpacked, not
installed, and run without chroot or binfmt.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SUITE, PYTHON = "bookworm", "python3.11"
LIBRARIES = ("libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libexpat1", "libffi8", "libssl3")
PACKAGES = ",".join([f"{PYTHON}-minimal", f"lib{PYTHON}-stdlib", *LIBRARIES])
_MINUTES_TO_FETCH = 5
_SECONDS_TO_RUN = 600

# What Linux says of each processor: qemu shows the file of the machine that it runs on, from which
# LLVM would take the processor's name.
_V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = f"{_V8} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
_CPUINFO = """processor\t: 0
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {part}
CPU revision\t: 0
"""
PROCESSORS = {
    "neoverse-n1": _CPUINFO.format(part="0xd0c", features=_V8_2),
    "cortex-a76": _CPUINFO.format(part="0xd0b", features=_V8_2),
    "cortex-a72": _CPUINFO.format(part="0xd08", features=_V8),
}


class Unavailable(Exception):
    """Why no machine can be emulated here."""


class Files(NamedTuple):
    """What is on the disk of all machines: Python, and the libraries that pythia needs."""

    root: Path
    site: Path


def files_in(folder: Path) -> Files:
    """The files in this folder. Fetches what is not there; raises Unavailable if it cannot."""
    _program("qemu-aarch64-static", "qemu-user-static")
    folder.mkdir(parents=True, exist_ok=True)
    return Files(_root(folder), _site(folder))


class Machine:
    """Runs Python on a processor of PROCESSORS. Raises Unavailable if qemu does not know it."""

    def __init__(self, files: Files, processor: str) -> None:
        self._qemu = _program("qemu-aarch64-static", "qemu-user-static")
        self._processor = processor
        known = subprocess.run([self._qemu, "-cpu", "help"], capture_output=True, text=True).stdout
        if processor not in known.split():
            raise Unavailable(f"this qemu does not emulate {processor}")
        self._site = files.site
        self._root = _with_cpuinfo(files.root, PROCESSORS[processor], beside=processor)

    def python(
        self, *arguments: str, home: Path, simd: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with this checkout, with its folders in `home` and with PYTHIA_SIMD."""
        environment = {
            "PATH": os.defpath,
            "HOME": str(home),
            "PYTHIA_HOME": str(home / "store"),
            "PYTHIA_CACHE": str(home / "cache"),
            "PYTHIA_SIMD": simd,
            "PYTHONHOME": "/usr",
            "PYTHONPATH": f"{ROOT}:{self._site}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [self._qemu, "-cpu", self._processor, "-L", str(self._root)]
        return subprocess.run(
            [*command, str(self._root / "usr/bin" / PYTHON), *arguments],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_SECONDS_TO_RUN,
        )  # fmt: skip


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not installed (apt-get install {package})")
    return found


def _fetched(command: list[str], what: str) -> None:
    """Run a command that downloads."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60 * _MINUTES_TO_FETCH,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what}: not fetched within {_MINUTES_TO_FETCH} minutes") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise Unavailable(f"{what} cannot be fetched: {lines[-1]}")


def _root(folder: Path) -> Path:
    """The files of PACKAGES, in a folder."""
    root = folder / "root"
    if not root.exists():
        mmdebstrap = _program("mmdebstrap", "mmdebstrap")
        aside = folder / "root.new"
        shutil.rmtree(aside, ignore_errors=True)
        options = ["--quiet", "--variant=extract", "--architectures=arm64", f"--include={PACKAGES}"]
        _fetched([mmdebstrap, *options, SUITE, str(aside)], "Python for arm64")
        aside.rename(root)
    return root


def _site(folder: Path) -> Path:
    """The libraries of this environment in the same versions, but built for ARM."""
    pins = _pins()
    site = folder / f"site-{hashlib.sha256(' '.join(pins).encode()).hexdigest()[:12]}"
    if not site.exists():
        aside = folder / "site.new"
        for old in (aside, *folder.glob("site-*")):
            shutil.rmtree(old, ignore_errors=True)
        tags = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
        platforms = [f"--platform={tag}_aarch64" for tag in tags]
        python = ["--implementation=cp", "--python-version=3.11"]
        abis = ["--abi=cp311", "--abi=abi3", "--abi=none"]
        options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]
        pip = [sys.executable, "-m", "pip", "install", f"--target={aside}"]
        _fetched([*pip, *options, *platforms, *python, *abis, *pins], "wheels for aarch64")
        aside.rename(site)
    return site


def _pins() -> list[str]:
    """name==version of everything that pythia needs, without torch."""
    found: dict[str, str] = {}
    wanted = ["pythia-cli"]
    while wanted:
        package = distribution(wanted.pop())
        if package.name in found:
            continue
        found[package.name] = f"{package.name}=={package.version}"
        for line in package.requires or []:
            requirement = Requirement(line)
            here = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if here and requirement.name != "torch":
                wanted.append(requirement.name)
    del found["pythia-cli"]
    return sorted(found.values())


def _with_cpuinfo(root: Path, cpuinfo: str, beside: str) -> Path:
    """A folder beside `root` with links to what is in it, and a /proc/cpuinfo of its own."""
    folder = root.parent / beside
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "proc").mkdir(parents=True)
    (folder / "proc/cpuinfo").write_text(cpuinfo)
    for name in ("usr", "lib", "etc"):
        (folder / name).symlink_to(root / name)
    return folder
