"""What many tests share: the data they read, and an environment of their own."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

import pythia_cli
from pythia_cli import settings
from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.checkpoints.store import Store
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source

settings.let_waiting_threads_sleep()  # as the command does, before a test imports torch
DEMO = Path(pythia_cli.__file__).parent / "demo"
GOLDEN = Path(__file__).parent / "golden"

# The same examples in every run, and no deadline: the first call of a kernel compiles it.
hypothesis.settings.register_profile(
    "pythia", deadline=None, derandomize=True, database=None, max_examples=60
)
hypothesis.settings.load_profile("pythia")


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A store of the tests' own. Compiled kernels are shared: their sources are the key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PYTHIA_THREADS", raising=False)
        patch.delenv("PYTHIA_DEBUG", raising=False)
        # Output is buffered, as for users, and bytecode kept: or each process would compile it.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def own_signals() -> Iterator[None]:
    """Signals reach the tests and what they start, even if pytest began with them ignored.

    As nohup begins it, and `&` in a script.
    """
    handlers = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    numbers = {name: getattr(signal, name) for name in handlers if hasattr(signal, name)}
    before = {number: signal.signal(number, handlers[name]) for name, number in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def demo_folder() -> Callable[[int], Path]:
    """demo_folder(step): the built-in float checkpoint of that step."""
    return lambda step: DEMO / f"step{step}"


@pytest.fixture(scope="session")
def eval_text() -> str:
    """The built-in evaluation text: the opening of Pride and Prejudice."""
    return (DEMO / "eval.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def demo_tokenizer() -> PythiaTokenizer:
    """The demo suite's tokenizer."""
    return PythiaTokenizer(DEMO / "step3000" / "tokenizer.json")


@pytest.fixture(scope="session")
def neox_tokenizer() -> PythiaTokenizer:
    """The Pythia suite's tokenizer."""
    return PythiaTokenizer(GOLDEN / "tokenizer" / "tokenizer.json")


@pytest.fixture(scope="session")
def golden_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """golden_folder(name): a tiny model of tests/golden/models, not to be changed.

    The tokenizer beside it is the demo's: the files of the tiny models have none.
    """
    made: dict[str, Path] = {}

    def copy(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("golden") / name
            shutil.copytree(GOLDEN / "models" / name, made[name])
            shutil.copy(DEMO / "step3000" / "tokenizer.json", made[name])
        return made[name]

    return copy


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Int8File]:
    """quantized(folder): its int8 file, opened; made once a session."""
    made: dict[Path, Int8File] = {}

    def open_int8(folder: Path) -> Int8File:
        if folder not in made:
            path = tmp_path_factory.mktemp("int8") / "model.int8.safetensors"
            checkpoint = FloatCheckpoint(folder)
            write_int8(checkpoint, path, Source(None, None, None, checkpoint.sha256()))
            made[folder] = Int8File(path)
        return made[folder]

    return open_int8


@pytest.fixture(scope="session")
def demo_int8(
    quantized: Callable[[Path], Int8File], demo_folder: Callable[[int], Path]
) -> Int8File:
    """The demo at step 3000 in int8."""
    return quantized(demo_folder(3000))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def small(golden_folder: Callable[[str], Path]) -> FloatCheckpoint:
    """A tiny float checkpoint."""
    return FloatCheckpoint(golden_folder("head8-f16"))


@pytest.fixture(scope="session")
def other(golden_folder: Callable[[str], Path]) -> FloatCheckpoint:
    """Another one, of another shape."""
    return FloatCheckpoint(golden_folder("head12-f32"))
