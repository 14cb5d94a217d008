"""From float tensors to the int8 file: what is kept, what is rounded, and what stops it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.checkpoints import last_matrix
from pythia_cli.checkpoints.feedback import feedback_of
from pythia_cli.checkpoints.quantize import n_parameters, write_int8
from pythia_cli.checkpoints.rows import quantize_matrix
from pythia_cli.engine.reference import dequantized
from pythia_cli.errors import IntegrityError
from pythia_cli.reporting import Task
from pythia_cli.suite.models import MODELS
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, expected_tensors
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import data_bytes
from pythia_cli.weights.source import Source
from tests.float_folders import DENSE, Folder
from tests.reporting import Counted, Recording

SOURCE = Source(None, None, None, {"model.safetensors": "0" * 64})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "checkpoint")
    folder.save()
    return folder


def write(folder: Folder, name: str = "int8") -> Int8File:
    path = folder.path.parent / name
    write_int8(FloatCheckpoint(folder.path), path, SOURCE)
    return Int8File(path)


def test_every_tensor_lands_in_its_place(folder: Folder) -> None:
    """Norms to the bit, biases nearly; matrices within half a step where they are not clipped.

    The unembedding, which is rounded with feedback, within some steps.
    """
    file, checkpoint = write(folder), FloatCheckpoint(folder.path)
    for name, shape in expected_tensors(checkpoint.config).items():
        values, stored = checkpoint.tensor(name), dequantized(file, name)
        if "norm" in name:
            np.testing.assert_array_equal(stored, values)
        elif len(shape) == 1:
            assert 0 < np.abs(stored - values).max() < 0.5
        else:
            step = np.abs(values).max(axis=1, keepdims=True) / 127
            within = np.abs(values) <= 100 * step
            steps = 3 if name.startswith("embed_out") else 0.5001
            assert (np.abs(stored - values) <= steps * step)[within].all()
            assert np.corrcoef(stored.ravel(), values.ravel())[0, 1] > 0.999


def test_matrices_are_quantized_by_row() -> None:
    w = np.random.default_rng(0).standard_normal((9, 33)).astype(np.float32)
    q, scales = quantize_matrix(w)
    scaled = (w * 2.0 ** np.arange(9)[:, None]).astype(np.float32)
    scaled_q, scaled_scales = quantize_matrix(scaled)
    np.testing.assert_array_equal(scaled_q, q)
    np.testing.assert_array_equal(scaled_scales, scales * 2.0 ** np.arange(9))
    assert (q.dtype, scales.dtype, q.shape, scales.shape) == ("int8", "float32", w.shape, (9,))


def test_matrices_of_any_layout_and_float_are_taken() -> None:
    w = np.random.default_rng(0).standard_normal((8, 24)).astype(np.float32)
    q, scales = quantize_matrix(w)
    for other in (np.asfortranarray(w), np.repeat(w, 2, axis=1)[:, ::2], w.astype(np.float64)):
        other_q, other_scales = quantize_matrix(other)
        np.testing.assert_array_equal(other_q, q)
        np.testing.assert_array_equal(other_scales, scales)


@pytest.mark.parametrize(
    ("one", "other"),
    [(["model.safetensors"], ["pytorch_model.bin"]), (["model.safetensors"], ["sharded"])],
)
def test_the_form_it_was_published_in_changes_no_tensor(
    tmp_path: Path, one: list[str], other: list[str]
) -> None:
    files = []
    for i, (form,) in enumerate((one, other)):
        folder = Folder(tmp_path / str(i))
        folder.save_sharded() if form == "sharded" else folder.save(form)
        files.append(write(folder, f"int8-{i}"))
    for name, tensor in files[0].tensors.items():
        assert tensor.tobytes() == files[1].tensors[name].tobytes()


def test_progress_counts_every_parameter_once(folder: Folder) -> None:
    reporter = Recording()
    checkpoint = FloatCheckpoint(folder.path)
    write_int8(checkpoint, folder.path.parent / "int8", SOURCE, name="it", reporter=reporter)
    total = sum(int(np.prod(shape)) for shape in expected_tensors(checkpoint.config).values())
    quantizing, calibrating = reporter.tasks
    assert (quantizing.label, calibrating.label) == ("quantizing it", "calibrating it")
    assert n_parameters(checkpoint) == total
    last = int(np.prod(expected_tensors(checkpoint.config)["embed_out.weight"]))
    assert quantizing.done == quantizing.total == total - last
    assert last < calibrating.done == calibrating.total < total


def test_what_8_bit_inputs_need_is_small() -> None:
    config = MODELS["pythia-410m"]
    assert data_bytes(config) < 1.01 * data_bytes(config, version=1)


def test_a_file_is_never_overwritten(folder: Folder) -> None:
    file = write(folder)
    before = file.path.read_bytes()
    with pytest.raises(FileExistsError):
        write(folder)
    assert file.path.read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_stop_it(folder: Folder, value: float) -> None:
    folder.tensors[DENSE][2, 3] = value
    folder.save()
    with pytest.raises(IntegrityError, match=DENSE):
        write(folder)


def test_rows_of_zeros_come_back_as_zeros(folder: Folder) -> None:
    folder.tensors[DENSE][5] = 0
    folder.save()
    file = write(folder)
    assert not dequantized(file, DENSE)[5].any()
    assert dequantized(file, DENSE)[4].any()


def test_the_demo_in_int8_is_a_quarter_of_its_float32_size(
    demo_int8: Int8File, demo_folder: Callable[[int], Path]
) -> None:
    n = n_parameters(FloatCheckpoint(demo_folder(3000)))
    assert demo_int8.path.stat().st_size < 1.09 * n


@pytest.mark.parametrize("error", [KeyboardInterrupt(), IntegrityError("model", "is gone")])
def test_a_failure_while_calibrating_is_raised_as_it_is(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The map of the unfinished file, which arrays still refer to, does not hide it."""

    class Failing(Recording):
        def task(self, label: str, total: int, unit: str) -> Counted:
            if label.startswith("calibrating"):
                monkeypatch.setattr(FloatCheckpoint, "rows", fail)
            return super().task(label, total, unit)

    def fail(*arguments: object) -> None:
        raise error

    with pytest.raises(type(error)):
        write_int8(
            FloatCheckpoint(folder.path), folder.path.parent / "int8", SOURCE, reporter=Failing()
        )


def test_an_error_does_not_wait_for_the_feedback(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes long for wide models. Ctrl-C is such an error."""
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(inputs: np.ndarray) -> np.ndarray:
        started.set()
        go_on.wait(60)
        ended.set()
        return feedback_of(inputs)

    class Interrupted(Recording):
        @contextlib.contextmanager
        def task(self, label: str, total: int, unit: str) -> Iterator[Task]:
            if label.startswith("calibrating"):
                assert started.wait(60)
                raise KeyboardInterrupt
            with super().task(label, total, unit) as task:
                yield task

    monkeypatch.setattr(last_matrix, "feedback_of", slow)
    path = folder.path.parent / "int8"
    with pytest.raises(KeyboardInterrupt):
        write_int8(FloatCheckpoint(folder.path), path, SOURCE, reporter=Interrupted())
    assert not ended.is_set()
    go_on.set()
