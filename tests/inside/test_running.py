"""Model.run: what is kept of texts, and patches that change what follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import InvalidValue, UsageError
from pythia_cli.inside.problems import BadPatch, OutsideText

TEXTS = ["It was not", "She was a very good thing to be"]


@pytest.fixture(scope="module", params=["int8", "float32"])
def model(request: pytest.FixtureRequest) -> Iterator[pythia_cli.Model]:
    with pythia_cli.load("demo", 3000, dtype=request.param, n_threads=1) as opened:
        yield opened


def test_logits_are_kept_unless_something_else_is_asked_for(model: pythia_cli.Model) -> None:
    for text, found in zip(TEXTS, model.run(TEXTS), strict=True):
        assert list(found) == ["logits"]
        assert (found["logits"] == model.logits(text)).all()
        assert found.token_ids.tolist() == model.tokenize(text).token_ids.tolist()


def test_positions_and_heads(model: pythia_cli.Model) -> None:
    names = ["logits", "blocks.2.attn.*"]
    whole = model.run(TEXTS, names)
    part = model.run(TEXTS, names, positions=[-1, 0], heads=[3])
    for all_of_it, some in zip(whole, part, strict=True):
        last = len(all_of_it.token_ids) - 1
        assert some.positions.tolist() == [last, 0]
        # torch may add in another order for fewer rows.
        atol = 0 if model.dtype == "int8" else 1e-4
        np.testing.assert_allclose(
            some["logits"], all_of_it["logits"][[last, 0]], rtol=0, atol=atol
        )
        name = "blocks.2.attn.hook_z"
        assert (some[name] == all_of_it[name][[last, 0]][:, [3]]).all()
        name = "blocks.2.attn.hook_pattern"
        assert (some[name] == all_of_it[name][[3]][:, [last, 0]]).all()


def test_token_ids_and_bos(model: pythia_cli.Model) -> None:
    ids = model.tokenize(TEXTS[0]).token_ids
    plain, with_bos = model.run([ids]), model.run([TEXTS[0]], bos=True)
    assert (plain[0]["logits"] == model.logits(TEXTS[0])).all()
    end = model.tokenizer.end_of_text
    assert with_bos[0].token_ids.tolist() == [end, *ids.tolist()]
    assert (with_bos[0]["logits"] == model.logits([end, *ids.tolist()])).all()


def test_own_values_change_no_bit(model: pythia_cli.Model) -> None:
    (found,) = model.run(TEXTS[:1], "*")
    patch = {n: v for n, v in found.items() if not n.endswith("hook_scale") and n != "logits"}
    (again,) = model.run(TEXTS[:1], "*", patch=patch)
    for name, values in found.items():
        assert again[name].tobytes() == values.tobytes(), name


def test_copies_that_functions_leave_as_they_are_change_no_bit(model: pythia_cli.Model) -> None:
    def doubled_and_halved(values: np.ndarray[Any, Any], hook: Any) -> None:
        values *= 2
        values /= 2

    (found,) = model.run(TEXTS[:1], "*")
    names = [n for n in found if not n.endswith("hook_scale") and n != "logits"]
    (again,) = model.run(TEXTS[:1], "*", patch=dict.fromkeys(names, doubled_and_halved))
    for name, values in found.items():
        assert again[name].tobytes() == values.tobytes(), name


def test_values_that_are_too_large_are_those_of_the_patch(model: pythia_cli.Model) -> None:
    huge = np.full((3, 128), 1e38, np.float32)
    with pytest.raises(BadPatch, match="smaller values"):
        model.run(TEXTS[:1], patch={"blocks.2.hook_resid_post": huge})


def test_positions_may_be_those_of_another_run(model: pythia_cli.Model) -> None:
    (found,) = model.run(TEXTS[:1], positions=[-1, 0])
    (again,) = model.run(TEXTS[:1], positions=found.positions)
    assert (again["logits"] == found["logits"]).all()


def test_activation_patching(model: pythia_cli.Model) -> None:
    """The last residual stream of another text, put in place, gives that text's logits."""
    name = "blocks.5.hook_resid_post"
    other = model.run(["She was not"], [name, "logits"])[0]
    (patched,) = model.run(TEXTS[:1], patch={name: other[name]})
    assert patched["logits"].tobytes() == other["logits"].tobytes()


def test_a_patch_that_steers(model: pythia_cli.Model) -> None:
    """What is added to the stream is there in the next layers."""
    added = np.zeros(128, np.float32)
    added[5] = 3

    def steer(values: np.ndarray[Any, Any], hook: Any) -> np.ndarray[Any, Any]:
        assert hook.layer == 2
        return values + added if hook.text == 1 else values

    names = ["blocks.2.hook_resid_pre", "blocks.2.hook_resid_post"]
    before = model.run(TEXTS, names)
    after = model.run(TEXTS, names, patch={names[0]: steer})
    assert (after[1][names[0]] == before[1][names[0]] + added).all()
    assert (after[1][names[1]] != before[1][names[1]]).any()
    for name in names:
        assert after[0][name].tobytes() == before[0][name].tobytes()


def test_float16(model: pythia_cli.Model) -> None:
    (found,) = model.run(TEXTS[:1], "hook_embed", values="float16")
    (whole,) = model.run(TEXTS[:1], "hook_embed")
    assert (found["hook_embed"] == whole["hook_embed"].astype(np.float16)).all()


def test_no_texts(model: pythia_cli.Model) -> None:
    assert model.run([]) == []


def test_repr_is_short(model: pythia_cli.Model) -> None:
    (found,) = model.run(TEXTS[:1], "*")
    assert repr(found).startswith("Activations(3 tokens: hook_embed [3, 128], ")
    assert repr(found).endswith("more)")
    assert len(repr(found)) < 200


def test_bad_input(model: pythia_cli.Model) -> None:
    with pytest.raises(InvalidValue):
        model.run("It was not")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        model.run([""])
    with pytest.raises(UsageError):
        model.run(["She was " * 300])
    with pytest.raises(UsageError):
        model.run([[4096]])
    with pytest.raises(OutsideText):
        model.run(TEXTS, positions=[5])
    with pytest.raises(UsageError, match="text 1 has 0 tokens"):
        model.run(["It", ""], positions=[-1])
    with pytest.raises(UsageError, match="text 0 has 0 tokens"):
        model.run([""], bos=True)
