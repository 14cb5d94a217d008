"""config.json in every spelling, and what is refused of it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from pythia_cli.errors import UnsupportedModel
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.config_json import parse_config_json
from pythia_cli.suite.models import SIZES
from pythia_cli.suite.steps import DEMO_STEPS
from tests.golden_index import ENTRIES, NAMES
from tests.golden_index import MODELS as GOLDEN_MODELS


def hf_config(**changes: Any) -> dict[str, Any]:
    """A config.json that is run, with changes; None takes a field out."""
    config = {
        "model_type": "gpt_neox",
        "hidden_act": "gelu",
        "hidden_size": 48,
        "intermediate_size": 192,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "tie_word_embeddings": False,
        "use_parallel_residual": True,
        "vocab_size": 100,
        **changes,
    }
    return {name: value for name, value in config.items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
def test_golden_configs_read_as_the_index_says(name: str) -> None:
    path = GOLDEN_MODELS / name / "config.json"
    config = parse_config_json(json.loads(path.read_text(encoding="utf-8")), path)
    entry = ENTRIES[name]
    for field in fields(ModelConfig):
        assert getattr(config, field.name) == entry[field.name], field.name
    assert config.d_head == entry["d_head"]


def test_the_demo_is_pythia_14m_with_a_vocabulary_of_its_own(demo_folder: Any) -> None:
    for step in DEMO_STEPS:
        config = json.loads((demo_folder(step) / "config.json").read_text(encoding="utf-8"))
        demo = parse_config_json(config)
        small = SIZES["14m"].to_dict() | {"d_vocab": 4096, "n_ctx": 512}
        assert demo.to_dict() == small


def test_what_is_left_out_of_config_json_has_its_default() -> None:
    names = ("hidden_act", "layer_norm_eps", "tie_word_embeddings", "use_parallel_residual")
    config = parse_config_json(hf_config(**dict.fromkeys(names)))
    assert config == ModelConfig(2, 4, 48, 192, 100, 64)
    assert (config.rotary_pct, config.rotary_base) == (0.25, 10000.0)


@pytest.mark.parametrize(
    ("spelled", "rotary"),
    [
        ({"rotary_pct": 0.5, "rotary_emb_base": 7}, (0.5, 7.0)),
        ({"rotary_pct": 1, "rope_theta": 7}, (1.0, 7.0)),
        ({"partial_rotary_factor": 0.5, "rope_theta": 7.5}, (0.5, 7.5)),
        ({"rotary_pct": 0.5, "partial_rotary_factor": 1.0}, (0.5, 10000.0)),
        ({"rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 7}}, (0.5, 7.0)),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 7}}, (0.25, 7.0)),
        ({"rope_parameters": {"rope_theta": 7}, "rotary_pct": 1.0}, (1.0, 7.0)),
        ({"rope_parameters": {"rope_theta": 7}, "rotary_emb_base": 8}, (0.25, 7.0)),
        ({"rope_parameters": None, "rope_scaling": None}, (0.25, 10000.0)),
        ({"rope_scaling": {}}, (0.25, 10000.0)),
        ({"rope_scaling": {"rope_type": "default"}}, (0.25, 10000.0)),
        ({"rope_scaling": {"type": "default"}}, (0.25, 10000.0)),
        ({"rotary_pct": 0, "rotary_emb_base": 1}, (0.0, 1.0)),
    ],
)
def test_rotary_settings_in_every_spelling(
    spelled: dict[str, Any], rotary: tuple[float, float]
) -> None:
    config = parse_config_json(hf_config(**spelled))
    assert (config.rotary_pct, config.rotary_base) == rotary


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "llama"),
        ("model_type", None),
        ("hidden_act", "gelu_new"),
        ("hidden_act", "relu"),
        ("tie_word_embeddings", True),
        ("attention_bias", False),
        ("layer_norm_eps", 0.0),
        ("layer_norm_eps", "1e-5"),
        ("layer_norm_eps", float("nan")),
        ("use_parallel_residual", 1),
        ("use_parallel_residual", "yes"),
        ("num_hidden_layers", 0),
        ("num_hidden_layers", -2),
        ("num_hidden_layers", 2.0),
        ("num_hidden_layers", True),
        ("num_hidden_layers", None),
        ("hidden_size", "48"),
        ("intermediate_size", None),
        ("vocab_size", 0),
        ("max_position_embeddings", [64]),
        ("num_attention_heads", 5),
        ("rotary_pct", 1.5),
        ("rotary_pct", -0.1),
        ("rotary_pct", "0.25"),
        ("rotary_pct", True),
        ("rotary_pct", float("nan")),
        ("rotary_emb_base", 0),
        ("rotary_emb_base", -1.0),
        ("rope_theta", "10000"),
        ("rope_scaling", {"type": "linear", "factor": 2.0}),
        ("rope_scaling", {"rope_type": "yarn"}),
        ("rope_scaling", "linear"),
        ("rope_parameters", [1]),
        ("rotary_pct", 10**400),
        ("rotary_emb_base", 10**400),
        ("rope_theta", 10**400),
        ("rope_theta", 0),
        ("partial_rotary_factor", 2),
        ("partial_rotary_factor", True),
        ("layer_norm_eps", 10**400),
        ("hidden_size", 10**400),
        ("vocab_size", 10**9),
        ("num_hidden_layers", 10**9),
    ],
)
def test_what_is_not_run_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(UnsupportedModel, match=field) as refused:
        parse_config_json(hf_config(**{field: value}), "place/config.json")
    assert refused.value.field == field
    assert str(refused.value).startswith("place/config.json: ")
    if value == value:
        assert refused.value.value == value


def test_scaled_rope_parameters_are_refused_by_their_name() -> None:
    with pytest.raises(UnsupportedModel) as refused:
        parse_config_json(hf_config(rope_parameters={"rope_type": "llama3", "factor": 8}))
    assert refused.value.field == "rope_parameters.rope_type"
    assert refused.value.value == "llama3"


@pytest.mark.parametrize("d_head", [1, 9, 15])
def test_more_rotated_dimensions_than_a_head_has_are_refused(d_head: int) -> None:
    """An odd number of them rotates one more, which a whole odd head does not have."""
    changes = {"hidden_size": 4 * d_head, "num_attention_heads": 4, "rotary_pct": 1.0}
    with pytest.raises(UnsupportedModel, match="rotary_pct"):
        parse_config_json(hf_config(**changes))


@pytest.mark.parametrize(("d_head", "pct", "n"), [(64, 0.25, 16), (12, 0.25, 3), (80, 0.3, 24)])
def test_rotated_dimensions_are_cut_down_to_a_whole_number(d_head: int, pct: float, n: int) -> None:
    assert ModelConfig(1, 2, 2 * d_head, 8, 8, 8, rotary_pct=pct).n_rotary == n


def test_an_error_names_the_value_in_rope_parameters() -> None:
    with pytest.raises(UnsupportedModel) as refused:
        parse_config_json(hf_config(rope_parameters={"rope_theta": -3}, rope_theta=7))
    assert (refused.value.field, refused.value.value) == ("rope_theta", -3)
