"""What `pythia bench` measures: lengths that fit the context, bytes that are streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from pythia_cli.diagnostics import bench
from pythia_cli.engine.transformer import Transformer
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.int8_file import Int8File
from tests.float_folders import TINY, Folder
from tests.reporting import Recording


class Opened(NamedTuple):
    """What `measure` needs of a Model."""

    transformer: Transformer
    opened: Any
    reporter: Reporter
    n_threads: int = 1


def opened(file: Int8File, reporter: Reporter) -> Any:
    return Opened(Transformer(file, 1), SimpleNamespace(file=file), reporter)


def test_the_embedding_is_not_streamed(demo_int8: Int8File) -> None:
    c = demo_int8.config
    layer = 4 * c.d_model**2 + 2 * c.d_model * c.d_mlp
    assert bench.streamed_bytes(demo_int8) == c.n_layers * layer + c.d_vocab * c.d_model


@pytest.mark.parametrize("n_ctx", [2, 24])
def test_lengths_are_capped_to_the_context(
    tmp_path: Path,
    quantized: Callable[[Path], Int8File],
    monkeypatch: pytest.MonkeyPatch,
    n_ctx: int,
) -> None:
    read: list[int] = []

    def bandwidth(arrays: list[np.ndarray[Any, Any]], n_threads: int) -> float:
        read.append(sum(array.nbytes for array in arrays))
        return 2.0

    monkeypatch.setattr(bench, "_bandwidth", bandwidth)
    config = ModelConfig(**{**TINY.to_dict(), "n_ctx": n_ctx})
    folder = Folder(tmp_path / "tiny", config)
    folder.save()
    file = quantized(folder.path)
    reporter = Recording()
    figures = bench.measure(opened(file, reporter), 2)
    assert reporter.of("measuring").done == reporter.of("measuring").total == 18
    assert figures.n_prompt == min(8, n_ctx // 2)
    assert figures.n_prompt + figures.n_new == n_ctx
    assert figures.n_late == figures.n_new
    assert figures.n_window == n_ctx
    assert figures.n_together == 4
    assert figures.read_gb_per_second == 2.0
    assert figures.streamed_bytes == bench.streamed_bytes(file)
    assert read == 3 * [figures.streamed_bytes]
    share = figures.streamed_bytes * figures.decode_tokens_per_second / 2e9
    assert figures.bandwidth_share == pytest.approx(share)


def test_the_median_of_the_rounds_counts_without_the_first(
    demo_int8: Int8File, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([90.0, 1.0, 5.0, 3.0])
    monkeypatch.setattr(bench, "_bandwidth", lambda arrays, n_threads: next(values))
    for name in ("N_NEW", "N_LATE", "N_WINDOW"):
        monkeypatch.setattr(bench, name, 2)
    figures = bench.measure(opened(demo_int8, SILENT), 3)
    assert figures.read_gb_per_second == 3.0


def test_ctrl_c_waits_only_for_a_piece_of_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system makes its half gigabyte when it is first written, in up to a second."""
    filled: list[int] = []

    class Unwritten(np.ndarray):
        def fill(self, value: float) -> None:
            filled.append(self.nbytes)

    def empty(shape: int, dtype: type) -> np.ndarray:
        return np.ndarray.__new__(Unwritten, shape, dtype)

    def bandwidth(arrays: list[np.ndarray], n_threads: int) -> float:
        return float(sum(array.nbytes for array in arrays))

    monkeypatch.setattr(bench.np, "empty", empty)
    monkeypatch.setattr(bench, "_bandwidth", bandwidth)
    assert bench.read_bandwidth(1) == sum(filled) == 1 << 29
    assert max(filled) <= 1 << 24


class Recorded(np.ndarray[Any, Any]):
    """Remembers which bytes were read."""

    read: ClassVar[list[tuple[int, int]]] = []

    def max(self, **options: Any) -> Any:
        first = self.__array_interface__["data"][0]
        self.read.append((first, first + self.nbytes))
        return super().max(**options)


@pytest.mark.parametrize(("n_threads", "n_runs"), [(1, 1), (3, 3), (64, 5)])
@pytest.mark.parametrize("rest", [0, 5000])
def test_all_threads_read_all_weights_again_and_again(
    demo_int8: Int8File, monkeypatch: pytest.MonkeyPatch, n_threads: int, n_runs: int, rest: int
) -> None:
    """But the embedding; so often that it can be timed, and in few calls."""
    n_bytes = bench.streamed_bytes(demo_int8)
    monkeypatch.setattr(bench, "_READ_BYTES", rest + 2 * n_bytes)
    monkeypatch.setattr(bench, "_LEAST_RUN", n_bytes // 5)
    monkeypatch.setattr(Recorded, "read", read := [])
    tensors = {name: tensor.view(Recorded) for name, tensor in demo_int8.tensors.items()}
    assert bench.weights_bandwidth(SimpleNamespace(tensors=tensors), n_threads) > 0  # type: ignore[arg-type]
    counted = Counter(read)
    assert set(counted.values()) == {3 * 2}
    found = sorted(counted)
    assert sum(end - first for first, end in found) == n_bytes
    assert len(found) <= 5 + n_runs - 1
    embedding = demo_int8.tensors["embed_in.weight"].__array_interface__["data"][0]
    assert embedding not in [first for first, _ in found]
    assert all(end <= first for (_, end), (first, _) in pairwise(found))


@pytest.mark.parametrize("sizes", [(7,), (1, 1, 1, 5), (4, 3, 100, 2)])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_runs_are_equal(sizes: tuple[int, ...], n: int) -> None:
    arrays = [np.full((1, size), i, np.int8) for i, size in enumerate(sizes)]
    runs = bench._runs(arrays, n)
    lengths = [sum(len(piece) for piece in run) for run in runs]
    assert max(lengths) - min(lengths) <= 1
    joined = np.concatenate([piece for run in runs for piece in run])
    np.testing.assert_array_equal(joined, np.concatenate([array[0] for array in arrays]))


def test_a_tiny_model_is_not_read_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorded, "read", read := [])
    weights = np.ones((2, 4), np.int8).view(Recorded)
    assert bench._bandwidth([weights], 2) > 0
    assert len(read) == 3 * 1000
