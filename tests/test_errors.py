"""Messages of the exceptions: a file may hold names and values of any length."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pythia_cli.errors import IntegrityError, InvalidValue, PythiaError, UnsupportedModel
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, read_config
from tests.float_folders import TINY, Folder, hf_config

LONG = "x" * 3_000_000


def test_a_long_value_of_a_config_is_cut(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "checkpoint")
    folder.write("config.json", {**hf_config(TINY), "model_type": LONG})
    with pytest.raises(UnsupportedModel) as raised:
        read_config(folder.path)
    assert len(str(raised.value)) < 3000
    assert str(raised.value).startswith(f"{folder.path / 'config.json'}: model_type is 'xxx")
    assert str(raised.value).endswith("x'; expected 'gpt_neox'")
    assert raised.value.value == LONG


def test_a_long_name_of_a_tensor_is_cut(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "checkpoint")
    path = folder.save(tensors={**folder.tensors, LONG: torch.zeros(1)})
    with pytest.raises(IntegrityError) as raised:
        FloatCheckpoint(folder.path)
    assert len(str(raised.value)) < 3000
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith("is not part of the model")


def test_other_messages_stay_whole() -> None:
    assert str(PythiaError("x" * 2000)) == "x" * 2000
    error = InvalidValue("n", 3, "2")
    assert str(error) == "n is 3; expected 2"
