"""The logit lens and the tuned lens against plain torch, and against the authorities' figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import pythia_cli
from pythia_cli.engine.reference import Reference, See
from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.library.model import Model
from pythia_cli.measures import lens as lens_module
from pythia_cli.measures.lens import LensedText, LensMeter, LensOptions
from pythia_cli.measures.lens_problems import LongText
from pythia_cli.model.open_model import Dtype
from pythia_cli.reporting import Reporter, Task
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.golden_inside import TUNED_LENS, golden_lens

Array = np.ndarray[Any, Any]

TEXT = "It was not a small caf\u00e9, he said."
N_LAYERS = 6
# Logits that are nearer than this may change their order in float32.
NEAR = 1e-3


@pytest.fixture(scope="module", params=["int8", "float32"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    with pythia_cli.load("demo", dtype=cast(Dtype, request.param)) as opened:
        yield opened


@pytest.fixture(scope="module")
def float_model() -> Iterator[Model]:
    with pythia_cli.load("demo", dtype="float32") as opened:
        yield opened


def lensed(model: Model, text: str | list[int] = TEXT, **options: Any) -> LensedText:
    (found,) = LensMeter(model, LensOptions(**options)).measure([text])
    assert isinstance(found, LensedText), found
    return found


def plain_figures(logits: torch.Tensor, last: torch.Tensor, ids: Array) -> dict[str, Array]:
    """The figures of logits [n, d_vocab], in torch."""
    q, p = logits.double().log_softmax(-1), last.double().log_softmax(-1)
    targets = torch.from_numpy(ids[1:])[:, None]
    return {
        "nll": -q[:-1].gather(1, targets)[:, 0].numpy(),
        "kl": (p.exp() * (p - q)).sum(-1).numpy(),
        "entropy": -(q.exp() * q).sum(-1).numpy(),
        "top_probs": q.topk(5).values.exp().numpy(),
    }


def test_a_plain_torch_computation(float_model: Model, demo_folder: Callable[[int], Path]) -> None:
    reference = Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))
    found = lensed(float_model)
    states: list[torch.Tensor] = []

    def keep(name: str, values: torch.Tensor) -> torch.Tensor:
        if name.endswith("hook_resid_pre") or name == f"blocks.{N_LAYERS - 1}.hook_resid_post":
            states.append(values)
        return values

    reference.hidden(found.token_ids, See(lambda name: True, keep))
    norm = {part: reference.tensors[f"final_layer_norm.{part}"] for part in ("weight", "bias")}
    logits = []
    for state in states:
        centred = state - state.mean(-1, keepdim=True)
        scale = (centred.pow(2).mean(-1, keepdim=True) + reference.config.layer_norm_eps).sqrt()
        normed = centred / scale * norm["weight"] + norm["bias"]
        logits.append(normed @ reference.tensors["embed_out.weight"].T)
    assert len(logits) == len(found.figures.nll) == N_LAYERS + 1
    for layer, of_layer in enumerate(logits):
        expected = plain_figures(of_layer, logits[-1], found.token_ids)
        for name, values in expected.items():
            ours = getattr(found.figures, name)[layer]
            np.testing.assert_allclose(ours[: len(values)], values, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", ["logit", "tuned"])
def test_the_authorities(float_model: Model, kind: str) -> None:
    """transformers' residual stream, and the lens that the package tuned-lens saved."""
    golden = {
        name.removeprefix(f"{kind}_"): values
        for name, values in golden_lens().items()
        if name.startswith(kind)
    }
    tuned = TUNED_LENS if kind == "tuned" else None
    found = lensed(float_model, golden_lens()["token_ids"].tolist(), tuned=tuned).figures
    n = len(golden["nll"])
    assert n == N_LAYERS + (kind == "logit")
    np.testing.assert_allclose(found.nll[:n, :-1], golden["nll"], atol=1e-4)
    np.testing.assert_allclose(found.kl[:n], golden["kl"], atol=1e-4)
    np.testing.assert_allclose(np.log(found.top_probs[:n]), golden["top_logprob"], atol=1e-4)
    assert (abs(found.rank[:n, :-1] - golden["rank"]) <= golden["near"]).all()
    clear = golden["gap"] > NEAR
    assert clear.mean() > 0.9
    assert np.array_equal(found.top_ids[:n][clear], golden["top"][clear])


def test_int8_is_near(float_model: Model) -> None:
    with pythia_cli.load("demo") as int8:
        for tuned in (None, TUNED_LENS):
            ours, theirs = (lensed(m, tuned=tuned).figures for m in (int8, float_model))
            for name in ("nll", "kl", "entropy"):
                of_int8, of_float = getattr(ours, name), getattr(theirs, name)
                assert np.nanmax(abs(of_int8 - of_float)) < 0.15, name
                assert np.nanmax(abs(of_int8 - of_float)) > 0, name


@pytest.mark.parametrize("how", [{}, {"precision": "fast"}, {"dtype": "float32"}])
@pytest.mark.parametrize("n", [1, 30, 200])
def test_the_last_layer_is_the_model_bit_for_bit(how: dict[str, Any], n: int) -> None:
    ids = np.random.default_rng(n).integers(0, 4000, n).tolist()
    with pythia_cli.load("demo", **how) as model:
        found, logits = lensed(model, ids, top=3), model.logits(ids)
    z = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(z).sum(axis=1))
    for layer_of, expected in (
        (found.figures.nll, (log_total - z[np.arange(n), [*ids[1:], 0]])[:-1]),
        (found.figures.rank, (logits[:-1] > logits[np.arange(n - 1), ids[1:]][:, None]).sum(1)),
        (found.figures.kl, np.zeros(n)),
    ):
        assert np.array_equal(layer_of[-1][: len(expected)], expected)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :3]
    assert np.array_equal(found.figures.top_ids[-1], best)


def test_the_embedding_is_layer_0(model: Model) -> None:
    """Layer 0 has seen nothing but its own token."""
    figures = lensed(model, [5, 9, 5, 7, 5]).figures
    assert np.array_equal(figures.top_ids[0, 0], figures.top_ids[0, 2])
    for values in (figures.entropy, figures.top_probs):
        np.testing.assert_allclose(values[0, 0], values[0, 2], rtol=1e-6)
        np.testing.assert_allclose(values[0, 0], values[0, 4], rtol=1e-6)
        assert abs(values[1, 0] - values[1, 2]).max() > 1e-3


def test_texts_do_not_depend_on_each_other(model: Model) -> None:
    """Some are run together, and a longer one alone."""
    texts = [TEXT, "One", "It was. " * 100, "He had not"]
    meter = LensMeter(model, LensOptions(tuned=TUNED_LENS))
    together = meter.measure(texts)
    for text, found in zip(texts, together, strict=True):
        assert isinstance(found, LensedText)
        alone = lensed(model, text, tuned=TUNED_LENS)
        assert np.array_equal(found.token_ids, alone.token_ids)
        for one, many in zip(alone.figures, found.figures, strict=True):
            assert np.array_equal(one, many, equal_nan=True)


def test_positions_and_bos(model: Model) -> None:
    every = lensed(model, bos=True)
    assert every.token_ids[0] == model.tokenizer.end_of_text
    assert every.token_ids[1:].tolist() == model.tokenizer.encode(TEXT).tolist()
    assert every.targets.tolist() == [*every.token_ids[1:].tolist(), -1]
    n = len(every.token_ids)
    some = lensed(model, bos=True, positions=[-1, 2])
    assert some.positions.tolist() == [n - 1, 2]
    assert some.targets.tolist() == [-1, every.token_ids[3]]
    for few, all_ in zip(some.figures, every.figures, strict=True):
        np.testing.assert_allclose(few, all_[:, [n - 1, 2]], rtol=1e-5, atol=1e-6)


def test_what_is_not_possible(model: Model) -> None:
    for options in (
        {"top": 0}, {"top": 4097}, {"top": "five"}, {"positions": []}, {"positions": [1, 1]},
        {"positions": ["1"]}, {"positions": 1},
    ):  # fmt: skip
        with pytest.raises(InvalidValue):
            LensMeter(model, LensOptions(**options))


def test_errors_of_texts(model: Model) -> None:
    meter = LensMeter(model, LensOptions(positions=[3], bos=True))
    long, empty, half, short, fine = meter.measure(["It was " * 400, "", "\ud800", "It", TEXT])
    assert isinstance(long, LongText)
    assert long.n_tokens > long.n_ctx == 512
    assert isinstance(empty, InputError)
    assert empty.reason == "is empty"
    assert isinstance(half, InputError)
    assert "surrogates" in half.reason
    assert isinstance(short, InputError)
    assert short.reason == "has no position 3; expected -2 to 1, as it has 2 tokens"
    assert isinstance(fine, LensedText)


def test_progress_counts_positions_of_all_layers(model: Model) -> None:
    done: list[int] = []

    class Counting(Task):
        def advance(self, amount: int) -> None:
            done.append(amount)

    for options in (LensOptions(bos=True), LensOptions(positions=(0, 1))):
        done.clear()
        meter = LensMeter(model, options)
        meter.measure([TEXT], Counting())
        assert sum(done) == meter.n_steps(len(model.tokenizer.encode(TEXT)))


def test_a_lens_of_another_checkpoint_is_noted(tmp_path: Path) -> None:
    notes: list[str] = []

    class Noting(Reporter):
        def note(self, text: str) -> None:
            notes.append(text)

    for step in (3000, 512):
        with pythia_cli.load("demo", step, reporter=Noting()) as model:
            LensMeter(model, LensOptions(tuned=TUNED_LENS))
    (note,) = notes
    assert note == "the tuned lens was trained for demo step3000, and this is demo step512"


def test_few_logits_are_held_at_a_time(float_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The residual stream of one text, and the logits of so many positions of one layer."""
    seen: list[tuple[int, ...]] = []
    write = lens_module.write_figures

    def counted(logits: Array, *others: Any) -> None:
        seen.append(logits.shape)
        write(logits, *others)

    monkeypatch.setattr(lens_module, "write_figures", counted)
    lensed(float_model, [7] * 300)
    assert {rows for rows, _ in seen} == {128, 44}
    assert len(seen) == 3 * (N_LAYERS + 1)
