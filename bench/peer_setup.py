"""Prepares a comparison: the peers' environment, the model, and its conversions."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
MODEL, STEP = "pythia-410m", "143000"

PACKAGES = {
    "torch": "torch<=2.13.0",
    "numpy": "numpy",
    "ctranslate2": "ctranslate2",
    "gguf": "gguf",
    "safetensors": "safetensors",
    "transformers": "transformers<5",
}
BUILT_HERE = "llama-cpp-python"
CMAKE_ARGS = (
    "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF"
    f" '-DCMAKE_CXX_FLAGS=-include {shlex.quote(str(BENCH / 'peer_llama_amx.h'))}'"
)

_HUGE_PAGE = 1 << 21

_MISSING = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        version(name)
    except PackageNotFoundError:
        print(name)
"""


def run(command: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Run a command with its output on our stderr, because stdout is for the result."""
    subprocess.run(
        command, check=True, stdout=sys.stderr, env={**os.environ, **(environment or {})}
    )


def peers_python(folder: Path) -> Path:
    """The interpreter of the peers' environment. Installs what is missing."""
    python = folder / "bin/python"
    if not python.exists():
        run([sys.executable, "-m", "venv", folder])
        (folder / ".gitignore").write_text("*\n")
    probe = [python, "-c", _MISSING, *PACKAGES, BUILT_HERE]
    missing = subprocess.run(probe, check=True, capture_output=True, text=True).stdout.split()
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    if wanted := [PACKAGES[name] for name in missing if name in PACKAGES]:
        run([*pip, *wanted])
    if BUILT_HERE in missing:
        # Built from source: a ready-made wheel does not use all features of this processor.
        run(
            [*pip, "--no-cache-dir", "--no-binary", BUILT_HERE, BUILT_HERE],
            {"CMAKE_ARGS": CMAKE_ARGS},
        )
    return python


def copy_in_huge_pages(source: Path, target: Path) -> None:
    """Copy a file so that Linux can keep it in huge pages, as it does our int8 files."""
    with source.open("rb") as file, target.open("wb", buffering=0) as out:
        while piece := file.read(_HUGE_PAGE):
            out.write(piece)


def gguf_model(python: Path, source: Path, out: Path) -> Path:
    """The model as GGUF Q8_0, for llama.cpp."""
    if not out.is_file():
        part = out.with_suffix(".part")
        run([python, BENCH / "peer_gguf.py", source, part])
        part.rename(out)
    return out


def ik_library(source: Path, folder: Path) -> Path:
    """A library with the functions of peer_ik.cpp, built with ik_llama.cpp for this processor.

    Beside it is a file with the version of the source.
    """
    shim = BENCH / "peer_ik.cpp"
    describe = ["git", "-C", str(source), "describe", "--always", "--dirty"]
    version = subprocess.run(describe, check=False, capture_output=True, text=True).stdout.strip()
    made_of = (str(source), version, shim.read_text(encoding="utf-8"))
    name = hashlib.sha256(repr(made_of).encode()).hexdigest()[:8]
    out = folder / f"peer_ik-{name}.so"
    if not out.is_file():
        build = out.with_suffix(".build")
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=ON"]
        options += [f"-DLLAMA_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "SERVER")]
        run(["cmake", "-S", source, "-B", build, *options])
        run(["cmake", "--build", build, "--target", "llama", "-j", str(os.cpu_count())])
        includes = [f"-I{source / part}" for part in ("include", "ggml/include")]
        place = build / "src"
        linked = [f"-L{place}", f"-Wl,-rpath,{place}", "-lllama"]
        part = out.with_suffix(".part")
        run(["c++", "-O2", "-shared", "-fPIC", "-std=c++17", *includes, shim, "-o", part, *linked])
        out.with_suffix(".version").write_text(version or "of an unknown version")
        part.rename(out)
    return out


def ctranslate2_model(python: Path, source: Path, out: Path) -> Path:
    """The model in CTranslate2's int8, with its tokenizer."""
    if not (out / "tokenizer.json").is_file():
        converter = python.with_name("ct2-transformers-converter")
        options = ["--quantization", "int8", "--force"]
        run([converter, "--model", source, "--output_dir", out, *options])
        shutil.copy(source / "tokenizer.json", out)
    return out


def int8_model(source: Path, environment: Mapping[str, str], name: str = f"{MODEL}@{STEP}") -> Path:
    """The model, installed in our store (PYTHIA_HOME of the environment) under this name."""
    model, step = name.split("@")
    quantize = [sys.executable, "-m", "pythia_cli", "quantize", str(source), "--as", name]
    run(quantize, environment)
    store = Path(environment["PYTHIA_HOME"])
    return next(store.glob(f"checkpoints/{model}/step{step}/*.safetensors"))
