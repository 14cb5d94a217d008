"""The published models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pythia_cli.errors import UnsupportedModel
from pythia_cli.suite.config_json import PUBLISHED_NAMES
from pythia_cli.suite.models import (
    FAMILIES,
    MODELS,
    SIZES,
    check_shape,
    nearest_models,
    repository,
)
from pythia_cli.suite.steps import DEMO_STEPS, LATE_STEPS, STEPS, steps_of


def test_the_models_are_the_published_ones() -> None:
    assert len(MODELS) == 10 + 10 + 5 * 9 + 3 + 3 + 2 + 2 * 8
    assert set(MODELS) >= {
        "pythia-14m",
        "pythia-12b",
        "pythia-14m-deduped",
        "pythia-31m-deduped",
        "pythia-410m-deduped",
        "pythia-160m-seed9",
        "pythia-160m-data-seed1",
        "pythia-160m-weight-seed3",
        "pythia-70m-warmup01",
        "pythia-1.4b-v0",
        "pythia-12b-deduped-v0",
    }
    assert not set(MODELS) & {
        "demo",
        "pythia-1b-seed1",
        "pythia-70m-seed10",
        "pythia-70m-data-seed1",
        "pythia-160m-weight-seed4",
        "pythia-14m-v0",
        "pythia-160m-alldropout",
    }
    assert MODELS["pythia-410m-seed3"] == MODELS["pythia-410m-deduped"] == SIZES["410m"]
    assert MODELS["pythia-160m-data-seed2"] == MODELS["pythia-160m-v0"] == SIZES["160m"]


def test_every_name_has_a_source_and_one_family() -> None:
    names = [name for family in FAMILIES for name, _ in family.models()]
    assert len(names) == len(set(names)) == len(MODELS)
    assert all(family.source for family in FAMILIES)


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


def test_repositories_and_steps() -> None:
    assert repository("pythia-70m-deduped") == "EleutherAI/pythia-70m-deduped"
    assert repository("demo") is None
    assert steps_of("pythia-70m") == steps_of("pythia-160m-weight-seed1") == STEPS
    assert steps_of("pythia-70m-v0") == steps_of("pythia-12b-deduped-v0") == LATE_STEPS
    assert steps_of("demo") == DEMO_STEPS
    assert steps_of("mine") is None


OTHER = {
    "n_layers": 7,
    "n_heads": 8,
    "d_model": 256,
    "d_mlp": 500,
    "d_vocab": 4096,
    "n_ctx": 1024,
    "rotary_pct": 0.5,
    "rotary_base": 500.0,
    "layer_norm_eps": 1e-6,
    "use_parallel_residual": False,
}


@pytest.mark.parametrize("field", SIZES["14m"].to_dict())
def test_a_shape_is_compared_in_the_words_of_config_json(field: str) -> None:
    """Whatever may differ has a name there."""
    config = replace(SIZES["14m"], **{field: OTHER[field]})
    check_shape("mine", config, "config.json")
    with pytest.raises(UnsupportedModel, match=f"{PUBLISHED_NAMES[field]} is") as raised:
        check_shape("pythia-14m", config, "config.json")
    assert raised.value.field == PUBLISHED_NAMES[field]
    assert raised.value.model == "pythia-14m"


def test_a_mistyped_model_names_the_nearest() -> None:
    assert nearest_models("pythia-410", [])[0] == "pythia-410m"
    assert nearest_models("dmeo", []) == ["demo"]
    assert nearest_models("my-modle", ["my-model"]) == ["my-model"]
    assert nearest_models("zzz", []) == []
    assert nearest_models("DEMO", ["Mine"]) == ["demo"]
    assert nearest_models("Pythia-14M", []) == ["pythia-14m"]
    assert nearest_models("mINE", ["Mine"]) == ["Mine"]
    assert nearest_models("EleutherAI/Pythia-41m/", [])[0] == "pythia-410m"


def test_a_name_is_suggested_once() -> None:
    assert nearest_models("dem", ["demo"]) == ["demo"]
