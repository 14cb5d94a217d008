"""The house of docs/architecture.md: one-way floors, and who may reach the outside world."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pythia_cli

PACKAGE = Path(pythia_cli.__file__).parent

# From the ground up. A floor has rooms, which are strangers to one another; a room has files.
# A file imports from lower floors, and within its room from what is listed before it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__init__ release errors suite step_sets known_problems settings files printable",),
    (
        "kernels/__init__ kernels/layout kernels/entries kernels/processor kernels/tiers"
        " kernels/object_cache kernels/_jit"
        " kernels/dot_tiles kernels/simd kernels/linear_tiles kernels/barrier kernels/embedding"
        " kernels/layer_norm kernels/gelu kernels/rotary kernels/softmax kernels/scoring"
        " kernels/quantize_rows"
        " kernels/quantize_weights kernels/matmul kernels/attention_tiles kernels/attention"
        " kernels/forward kernels/compile kernels/compiled kernels/pace kernels/team",
        "tokenizer_file tokenizer",
        "safetensors_file",
        "locks",
        "hub_failures hub",
    ),
    ("hf_checkpoint", "int8_file"),
    ("quantize manifest store publish",),
    ("model/__init__ model/scores model/kv_cache model/weights model/transformer model/reference",),
    (
        "sampling text_stream generate",
        "perplexity surprisal",
        "certificate",
        "bench doctor",
        "wanted download audit",
    ),
    (
        "cli/__init__ cli/render cli/tables cli/showing cli/completing cli/grouped cli/options"
        " cli/errors cli/interrupts cli/inputs cli/outputs cli/engine cli/installing cli/opening"
        " cli/generate cli/perplexity cli/quantize cli/downloading cli/download cli/bench"
        " cli/doctor cli/remove cli/verify cli/audit cli/listing cli/checkpoint cli/app __main__",
    ),
)

# Who speaks to each library. numpy is everyone's above the ground.
KEEPERS = {
    "filelock": "locks",
    "huggingface_hub": "hub hub_failures",
    "llvmlite": "kernels/",
    "numba": "kernels/",
    "platformdirs": "settings",
    "rich": "cli/render",
    "safetensors": "safetensors_file",
    "tokenizers": "tokenizer_file",
    "torch": "hf_checkpoint model/reference",
    "typer": "cli/",
}

# file -> (floor, room, place in the room)
PLACES = {
    file: (level, room, place)
    for level, floor in enumerate(FLOORS)
    for room, files in enumerate(floor)
    for place, file in enumerate(files.split())
}
FILES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
)


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


def imported_files(file: str) -> Iterator[str]:
    """The files of this package that a file imports."""
    for module, names in imported_modules(tree(file)):
        top, *inner = module.split(".")
        if top != "pythia_cli":
            continue
        base = "/".join(inner)
        for name in names or [""]:
            path = f"{base}/{name}".strip("/")
            if path in PLACES:
                yield path
            else:  # a name of the module itself
                yield base if base in PLACES else f"{base}/__init__".strip("/")


def below_the_command_line() -> list[str]:
    return [file for file in FILES if PLACES[file][0] < len(FLOORS) - 1]


def test_every_file_has_its_place() -> None:
    assert sorted(PLACES) == FILES, "a new file chooses its floor in FLOORS"


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_only_from_below(file: str) -> None:
    level, room, place = PLACES[file]
    for imported in imported_files(file):
        its_level, its_room, its_place = PLACES[imported]
        assert its_level < level or (
            (its_level, its_room) == (level, room) and its_place < place
        ), f"{file} imports {imported}"


@pytest.mark.parametrize("file", FLOORS[0][0].split())
def test_the_ground_stands_on_the_standard_library(file: str) -> None:
    at_once = [s for s in tree(file).body if isinstance(s, ast.Import | ast.ImportFrom)]
    for statement in at_once:
        for module, _ in imported_modules(statement):
            assert module.split(".")[0] in {*sys.stdlib_module_names, "pythia_cli"}


@pytest.mark.parametrize("file", FILES)
def test_a_library_has_one_keeper(file: str) -> None:
    for module, _ in imported_modules(tree(file)):
        library = module.split(".")[0]
        if library in sys.stdlib_module_names or library in ("pythia_cli", "numpy"):
            continue
        keepers = KEEPERS[library].split()
        assert any(file == k or (k.endswith("/") and file.startswith(k)) for k in keepers), module


@pytest.mark.parametrize("file", below_the_command_line())
def test_nothing_is_printed_below_the_command_line(file: str) -> None:
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
    if file == "cli/render":
        assert ast.unparse(code).count("os.environ") == 1
        assert "os.environ.get('TERM'" in ast.unparse(code)
    else:
        assert not readers or file == "settings"
