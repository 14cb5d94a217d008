"""The rooms of docs/architecture.md: imports go down, and who may reach the outside world."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pythia_cli

PACKAGE = Path(pythia_cli.__file__).parent

# From the bottom up. A file imports from rooms of lower layers and from its own room.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "release", "reporting"),
    ("settings",),
    ("system",),
    ("files", "suite", "text"),
    ("tables",),
    ("jit", "pictures"),
    ("kernels",),
    ("weights",),
    ("engine",),
    ("checkpoints",),
    ("model",),
    ("inside",),
    ("measures",),
    ("library",),
    ("diagnostics", "integrations"),
    ("sweeps",),
    ("cli",),
    ("__init__", "__main__"),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
AT_THE_ROOT = {"__init__", "__main__", "errors", "settings", "release", "reporting"}
MOST_LINES = 300

# Who imports each library. numpy is everyone's.
KEEPERS = {
    "distributed": "sweeps/dask_cluster",
    "huggingface_hub": "checkpoints/hub",
    "llvmlite": "jit/ kernels/",
    "lm_eval": "integrations/",
    "matplotlib": "pictures/ sweeps/plot",
    "numba": "jit/ kernels/",
    "pandas": "tables/records",
    "platformdirs": "settings",
    "pyarrow": "tables/parquet_",
    "rich": "cli/",
    "safetensors": "files/safetensors_layout",
    "submitit": "sweeps/slurm",
    "tokenizers": "text/tokenizer_file",
    "torch": "engine/reference",
    "tqdm": "reporting",
    "typer": "cli/",
}

FILES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
)


def room_of(file: str) -> str:
    return file.split("/")[0]


def tree(file: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{file}.py").read_text(encoding="utf-8"))


def imported_modules(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Every import below the node, lazy ones too: the module, and the names taken from it."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            for alias in inner.names:
                yield alias.name, []
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports are absolute here"
            assert inner.module is not None
            yield inner.module, [alias.name for alias in inner.names]


def imported_rooms(file: str) -> Iterator[str]:
    """The rooms of this package that a file imports from."""
    for module, names in imported_modules(tree(file)):
        top, *inner = module.split(".")
        if top == "pythia_cli":
            yield from [inner[0]] if inner else [n if n in LEVELS else "__init__" for n in names]


def test_few_modules_stand_at_the_root() -> None:
    assert {file for file in FILES if "/" not in file} <= AT_THE_ROOT


def test_every_room_has_its_layer() -> None:
    assert {room_of(file) for file in FILES} <= set(LEVELS)


@pytest.mark.parametrize("file", FILES)
def test_imports_go_down(file: str) -> None:
    own = room_of(file)
    for room in imported_rooms(file):
        assert room == own or LEVELS[room] < LEVELS[own], f"{file} imports from {room}"


@pytest.mark.parametrize("file", FILES)
def test_no_file_is_long(file: str) -> None:
    lines = (PACKAGE / f"{file}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for file in FILES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, n in names.items() if n > 1] == []


@pytest.mark.parametrize("file", ["errors", "settings", "release", "reporting"])
def test_the_bottom_layer_needs_the_standard_library_only(file: str) -> None:
    at_once = [s for s in tree(file).body if isinstance(s, ast.Import | ast.ImportFrom)]
    for statement in at_once:
        for module, _ in imported_modules(statement):
            assert module.split(".")[0] in {*sys.stdlib_module_names, "pythia_cli"}


@pytest.mark.parametrize("file", FILES)
def test_a_library_has_its_keepers(file: str) -> None:
    for module, _ in imported_modules(tree(file)):
        library = module.split(".")[0]
        if library in sys.stdlib_module_names or library in ("pythia_cli", "numpy"):
            continue
        assert any(file.startswith(keeper) for keeper in KEEPERS[library].split()), module


# reporting.py shows bars to whoever passes them in.
SILENT = [file for file in FILES if room_of(file) not in ("cli", "reporting")]


@pytest.mark.parametrize("file", SILENT)
def test_the_library_prints_nothing(file: str) -> None:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Name):
            assert node.id != "print", f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sys":
            assert node.attr not in ("stdin", "stdout", "stderr"), f"line {node.lineno}"


@pytest.mark.parametrize("file", FILES)
def test_the_environment_is_read_in_one_file(file: str) -> None:
    code = tree(file)
    used = {node.attr for node in ast.walk(code) if isinstance(node, ast.Attribute)}
    used |= {name for module, names in imported_modules(code) if module == "os" for name in names}
    readers = used & {"environ", "environb", "getenv", "getenvb"}
    assert not readers or file == "settings"
