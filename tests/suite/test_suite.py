"""The suite's table, names and steps, and config.json in all its spellings."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from pythia_cli.errors import UnknownName, UnsupportedModel, UsageError
from pythia_cli.suite.checkpoint import Checkpoint, parse_name
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.config_json import parse_config_json
from pythia_cli.suite.models import MODELS, SIZES, nearest_models, repository
from pythia_cli.suite.steps import DEMO_STEPS, LAST_STEP, STEPS, parse_step, steps_of
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


def test_there_are_154_steps() -> None:
    assert len(STEPS) == len(set(STEPS)) == 154
    assert list(STEPS) == sorted(STEPS)
    assert STEPS[:12] == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
    assert STEPS[-1] == LAST_STEP == 143_000
    assert all(step % 1000 == 0 for step in STEPS[11:])


def test_the_models_are_the_published_ones() -> None:
    assert len(MODELS) == 10 + 8 + 5 * 9
    assert {"pythia-14m", "pythia-12b", "pythia-410m-deduped", "pythia-160m-seed9"} <= set(MODELS)
    assert not {"pythia-14m-deduped", "pythia-1b-seed1", "pythia-70m-seed10", "demo"} & set(MODELS)
    assert MODELS["pythia-410m-seed3"] == MODELS["pythia-410m-deduped"] == SIZES["410m"]


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ("70m", (6, 512, 8)),
        ("160m", (12, 768, 12)),
        ("410m", (24, 1024, 16)),
        ("1b", (16, 2048, 8)),
        ("1.4b", (24, 2048, 16)),
        ("2.8b", (32, 2560, 32)),
        ("6.9b", (32, 4096, 32)),
        ("12b", (36, 5120, 40)),
    ],
)
def test_shapes_are_those_of_the_paper(size: str, shape: tuple[int, int, int]) -> None:
    """Table 1 of Biderman et al. 2023: layers, model dimension, heads."""
    config = SIZES[size]
    assert (config.n_layers, config.d_model, config.n_heads) == shape
    assert config.d_mlp == 4 * config.d_model
    assert config.n_ctx == 2048


@pytest.mark.parametrize("text", ["3000", "step3000"])
@pytest.mark.parametrize("model", ["pythia-70m", "demo", "mine"])
def test_a_step_in_both_spellings(model: str, text: str) -> None:
    assert parse_step(model, text) == 3000


def test_main_is_the_last_step() -> None:
    assert parse_step("pythia-70m", "main") == 143_000
    assert parse_step("demo", "main") == 3000
    with pytest.raises(UnknownName, match="mine"):
        parse_step("mine", "main")


@pytest.mark.parametrize(
    ("model", "text", "nearest"),
    [
        ("pythia-70m", "143001", ["142000", "143000"]),
        ("pythia-70m", "step3", ["2", "4"]),
        ("pythia-70m", "700", ["512", "1000"]),
        ("demo", "1000", ["64", "512"]),
        ("pythia-70m", "last", ["main"]),
        ("pythia-70m", "step", ["main"]),
        ("pythia-70m", "-1", ["main"]),
        ("pythia-70m", "", ["main"]),
        ("pythia-70m", "1e3", ["main"]),
        ("mine", "newest", []),
    ],
)
def test_a_step_that_is_not_there_names_the_nearest(
    model: str, text: str, nearest: list[str]
) -> None:
    with pytest.raises(UnknownName) as unknown:
        parse_step(model, text)
    assert unknown.value.nearest == nearest
    assert unknown.value.name == text


def test_a_name_is_model_and_step() -> None:
    assert parse_name("pythia-70m@512") == Checkpoint("pythia-70m", 512)
    assert parse_name("pythia-70m@main") == Checkpoint("pythia-70m", 143_000)
    assert parse_name("my.model_2@step7") == Checkpoint("my.model_2", 7)


@pytest.mark.parametrize(
    "text",
    [
        "pythia-70m", "@3", "demo@3000", "local-x@3", "../x@3", "a/b@3", "a b@3", ".x@3", "-x@3",
        "x" * 97 + "@3", "a\n@3", "mine@main", "mine@-1", "mine@1e3", "mine@\u0663", "mine@", "",
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_name(text)


@pytest.mark.parametrize("step", ["3", "", "last", "3@4", "\u0663"])
def test_a_name_of_a_step_that_is_not_there_is_refused(step: str) -> None:
    with pytest.raises(UnknownName, match=r"checkpoint of pythia-70m"):
        parse_name(f"pythia-70m@{step}")


def test_a_checkpoint_is_a_revision_of_the_hub() -> None:
    checkpoint = Checkpoint("pythia-410m", 3000)
    assert checkpoint.revision == "step3000"
    assert checkpoint.tokens_seen == 3000 * 2_097_152
    assert str(checkpoint) == "pythia-410m@3000"
    assert parse_name(str(checkpoint)) == checkpoint
    assert Checkpoint("mine", 3).tokens_seen is None
    assert sorted([Checkpoint("b", 1), Checkpoint("a", 20), Checkpoint("a", 3)]) == [
        Checkpoint("a", 3),
        Checkpoint("a", 20),
        Checkpoint("b", 1),
    ]


def test_repositories_and_steps() -> None:
    assert repository("pythia-70m-deduped") == "EleutherAI/pythia-70m-deduped"
    assert repository("demo") is None
    assert steps_of("pythia-70m") == STEPS
    assert steps_of("demo") == DEMO_STEPS
    assert steps_of("mine") is None


def test_a_mistyped_model_names_the_nearest() -> None:
    assert nearest_models("pythia-410", [])[0] == "pythia-410m"
    assert nearest_models("dmeo", []) == ["demo"]
    assert nearest_models("my-modle", ["my-model"]) == ["my-model"]
    assert nearest_models("zzz", []) == []
