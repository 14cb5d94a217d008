"""The public interface: its page runs, and its figures are those of the command line."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pythia_cli
from tests.conftest import DEMO

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
SESSION = "".join(re.findall(r"```pycon\n(.*?)```", PAGE.split("\n## Opening")[0], re.S))
HEAVY = ("numba", "llvmlite", "torch", "tokenizers", "typer", "rich", "huggingface_hub", "numpy")


def run_doctest(text: str, name: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run examples; the namespace they leave. Numbers may differ in their last digits."""
    test = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    assert test.examples
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(test, out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)
    return test.globs


@pytest.fixture
def eval_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's eval.txt, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eval.txt").write_bytes((DEMO / "eval.txt").read_bytes()[:20000])
    return tmp_path / "eval.txt"


def command(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "pythia_cli", *arguments, "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_the_session_runs_and_equals_the_command_line(eval_file: Path) -> None:
    names = run_doctest(SESSION, "docs/api.md", {})
    record = names["found"].to_dict()
    printed = command("perplexity", "eval.txt", "-m", "demo", "-c", "3000")
    assert {key: printed[key] for key in record if key != "file"} == {
        key: value for key, value in record.items() if key != "file"
    }
    drawn = command(
        "generate", "She looked at him and", "-n", "12", "--seed", "1", "-m", "demo", "-c", "3000"
    )
    assert (drawn["text"], drawn["token_ids"]) == (names["sample"].text, names["sample"].token_ids)
    for step, bits in re.findall(r"^demo@(\d+) ([\d.]+)$", SESSION, re.M):
        along = command("perplexity", "eval.txt", "-m", "demo", "-c", step, "--context", "256")
        assert round(along["bits_per_byte"], 3) == float(bits)


def public() -> dict[str, Any]:
    return {
        name: getattr(importlib.import_module(f"pythia_cli.{home}"), name, None)
        for name, home in pythia_cli._HOMES.items()
    }


def _ours(thing: type) -> list[type]:
    """The class, and the classes of this package that it inherits from."""
    return [base for base in thing.__mro__ if base.__module__.startswith("pythia_cli.")]


def documented() -> list[tuple[str, Any]]:
    """Public functions, classes and their public methods and properties."""
    found: list[tuple[str, Any]] = []
    for name, thing in public().items():
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found.append((name, thing))
        if inspect.isclass(thing):
            members = {n: m for base in reversed(_ours(thing)) for n, m in vars(base).items()}
            found += [(f"{name}.{n}", m) for n, m in members.items() if not n.startswith("_")]
    return [(name, m) for name, m in found if callable(m) or hasattr(m, "__get__")]


@pytest.mark.parametrize("thing", [t for _, t in documented()], ids=[n for n, _ in documented()])
def test_everything_public_has_a_docstring(thing: Any) -> None:
    assert thing.__doc__


def test_the_examples_in_docstrings_run(eval_file: Path) -> None:
    n_examples = 0
    with pythia_cli.load("demo", step=3000) as model:
        for name, thing in documented():
            if ">>>" in (thing.__doc__ or ""):
                n_examples += 1
                run_doctest(inspect.cleandoc(thing.__doc__), name, {**public(), "model": model})
    assert n_examples >= 15


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_importing_is_light() -> None:
    code = f"import sys, pythia_cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert in_a_new_process(code) == "[]\n"


def test_using_it_leaves_the_process_as_it_was() -> None:
    """No signal handler, no setting of Numba, nothing printed, no logger."""
    code = """
import logging, os, signal, sys
import numba
def state():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    settings = {k: v for k, v in vars(numba.config).items() if k.isupper()}
    return handlers, settings, dict(os.environ), list(logging.root.handlers), sys.excepthook
before = state()
import pythia_cli as pythia
with pythia.load("demo", n_threads=2) as model:
    model.generate("It was", max_tokens=3, seed=1)
    model.score_batch(["It was", "She had"])
    pythia.perplexity(model, "It was not a small one.")
    model.logits("It was")
assert state() == before
"""
    assert in_a_new_process(code) == ""


def test_numba_is_not_imported() -> None:
    code = """
import sys
import pythia_cli as pythia
with pythia.load("demo") as model:
    model.score("It was")
print([name for name in ("numba", "torch", "typer", "rich") if name in sys.modules])
"""
    assert in_a_new_process(code) == "[]\n"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = pythia_cli.lode  # type: ignore[attr-defined]
    assert all(getattr(pythia_cli, name) is not None for name in pythia_cli.__all__)


def test_a_package_and_a_function_share_a_name() -> None:
    code = """
import pythia_cli
first = [str(m.checkpoint) for m in pythia_cli.checkpoints("demo", "3000")]
import pythia_cli.checkpoints.store
assert first == [str(m.checkpoint) for m in pythia_cli.checkpoints("demo", "3000")] == ["demo@3000"]
"""
    assert in_a_new_process(code) == ""
