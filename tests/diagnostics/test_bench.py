"""What `pythia bench` measures: lengths that fit the context, bytes that are streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

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
    monkeypatch.setattr(bench, "read_bandwidth", lambda n_threads: 2.0)
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
    share = figures.streamed_bytes * figures.decode_tokens_per_second / 2e9
    assert figures.bandwidth_share == pytest.approx(share)


def test_the_median_of_the_rounds_counts_without_the_first(
    demo_int8: Int8File, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([90.0, 1.0, 5.0, 3.0])
    monkeypatch.setattr(bench, "read_bandwidth", lambda n_threads: next(values))
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

    def empty(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return np.ndarray.__new__(Unwritten, shape, dtype)

    monkeypatch.setattr(bench.np, "empty", empty)
    monkeypatch.setattr(bench.np, "vecdot", lambda a, b: None)
    bench.read_bandwidth(1)
    assert sum(filled) == 1 << 29
    assert max(filled) <= 1 << 24


@pytest.mark.parametrize("n_threads", [1, 3])
def test_all_threads_read_all_of_the_array(monkeypatch: pytest.MonkeyPatch, n_threads: int) -> None:
    monkeypatch.setattr(bench, "_READ_BYTES", 1 << 20)
    n_rows: list[int] = []

    def record(a: np.ndarray, b: np.ndarray) -> None:
        assert a is b
        n_rows.append(len(a))

    monkeypatch.setattr(bench.np, "vecdot", record)
    assert bench.read_bandwidth(n_threads) > 0
    assert len(n_rows) == 3 * n_threads
    assert sum(n_rows) * 8192 * 4 == 3 << 20
