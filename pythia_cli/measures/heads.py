"""How much attention heads look where heads of a known kind look, on random tokens that repeat.

The scores are those of TransformerLens' detect_head with error measure "mul" (Nanda, Bloom 2022),
and the mean attention of Olsson et al. 2022, "In-context Learning and Induction Heads".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.engine.activation_names import in_layer
from pythia_cli.engine.checks import check_whole
from pythia_cli.engine.taps import Inside
from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.inside.running import inside_of
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import Reporter
from pythia_cli.text.tokenizer import PythiaTokenizer

_Array = np.ndarray[Any, Any]

HeadKind = Literal["induction", "previous-token", "duplicate-token"]
KINDS: tuple[HeadKind, ...] = get_args(HeadKind)

_TOGETHER = 16
"""Sequences of a run, after which progress is shown."""


@dataclass(frozen=True)
class HeadOptions:
    """On what heads are measured: n_sequences, each of `length` random tokens twice.

    bos: with <|endoftext|> before each. exclude_bos, exclude_current_token: attention to the first
    position, or of a position to itself, counts as 0, as in detect_head.
    """

    n_sequences: int = 100
    length: int = 50
    seed: int = 0
    bos: bool = False
    exclude_bos: bool = False
    exclude_current_token: bool = False

    def check(self, n_ctx: int | None = None) -> None:
        """Raises InvalidValue for options that a model with this context cannot have.

        n_ctx: None is any.
        """
        check_whole("n_sequences", self.n_sequences, 1)
        check_whole("length", self.length, 2)
        check_whole("seed", self.seed, 0)
        if n_ctx is not None and self.length > (longest := (n_ctx - self.bos) // 2):
            expected = f"at most {longest}, as twice as many must fit a context of {n_ctx}"
            raise InvalidValue("length", self.length, expected)


@dataclass(frozen=True)
class HeadScores:
    """Scores of one kind, each [n_layers, n_heads] float64, means over the sequences.

    score: the share of all attention that goes where this kind looks (detect_head). stderr: its
    standard error, NaN for one sequence. attention: from the tokens that have such a place, the
    mean attention to it.
    """

    kind: HeadKind
    score: _Array
    stderr: _Array
    attention: _Array


def repeated_tokens(tokenizer: PythiaTokenizer, options: HeadOptions) -> list[_Array]:
    """Sequences of random tokens twice, all different in a sequence; no special or unused ones.

    The same for the same tokenizer and options. Raises InvalidValue if the tokenizer has fewer.
    """
    unusual = [*tokenizer.special, *tokenizer.missing.tolist()]
    ordinary = np.setdiff1d(np.arange(tokenizer.n_spelled), unusual)
    if options.length > len(ordinary):
        raise InvalidValue("length", options.length, f"at most {len(ordinary)} different tokens")
    rng = np.random.default_rng(options.seed)
    start = [tokenizer.end_of_text] if options.bos else []
    found = []
    for _ in range(options.n_sequences):
        once = rng.choice(ordinary, options.length, replace=False)
        found.append(np.concatenate([start, once, once]).astype(np.int64))
    return found


def detection_pattern(kind: HeadKind, token_ids: _Array) -> _Array:
    """[n, n] bool: where a head of this kind looks, query by key, as detect_head has it.

    previous-token: at the token before. duplicate-token: at earlier ones of the same id. induction:
    at those that came after earlier ones of the same id.
    """
    n = len(token_ids)
    if kind == "previous-token":
        return np.eye(n, k=-1, dtype=bool)
    duplicate = np.tril(token_ids[:, None] == token_ids[None, :], -1)
    if kind == "duplicate-token":
        return duplicate
    induction = np.zeros((n, n), bool)
    induction[:, 1:] = duplicate[:, :-1]
    return np.tril(induction)


def head_scores(
    model: OpenModel, kinds: Sequence[HeadKind] = KINDS, options: HeadOptions | None = None
) -> list[HeadScores]:
    """The scores of all heads for each kind. Raises InvalidValue."""
    options = options or HeadOptions()
    options.check(model.config.n_ctx)
    sequences = repeated_tokens(model.tokenizer, options)
    return scores_on(inside_of(model), sequences, kinds, options, model.reporter)


def scores_on(
    inside: Inside,
    sequences: Sequence[_Array],
    kinds: Sequence[HeadKind],
    options: HeadOptions,
    reporter: Reporter,
) -> list[HeadScores]:
    """As head_scores, on sequences of token ids [n] that are given.

    Raises InputError if a kind has no place to look at in a sequence.
    """
    config = inside.config
    shape = (len(sequences), config.n_layers, config.n_heads)
    scores = {kind: np.zeros(shape) for kind in kinds}
    attention = {kind: np.zeros(shape) for kind in kinds}
    with reporter.task("heads", len(sequences), "sequences") as task:
        for first in range(0, len(sequences), _TOGETHER):
            few = sequences[first : first + _TOGETHER]
            tap = _HeadTap(few, kinds, options, config.n_layers)
            inside.run(few, tap)
            for kind in kinds:
                scores[kind][first : first + len(few)] = tap.scores[kind]
                attention[kind][first : first + len(few)] = tap.attention[kind]
            task.advance(len(few))
    n = len(sequences)
    return [
        HeadScores(
            kind,
            scores[kind].mean(axis=0),
            scores[kind].std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(shape[1:], np.nan),
            attention[kind].mean(axis=0),
        )
        for kind in kinds
    ]


class _HeadTap:
    """Scores each pattern of attention as it comes.

    scores[kind][sequence]: a list of [n_heads], by layer; and likewise attention.
    """

    def __init__(
        self,
        sequences: Sequence[_Array],
        kinds: Sequence[HeadKind],
        options: HeadOptions,
        n_layers: int,
    ) -> None:
        self._options = options
        self._layers = {in_layer(i, "attn.hook_pattern"): i for i in range(n_layers)}
        self._looks = [{k: detection_pattern(k, ids) for k in kinds} for ids in sequences]
        for looks in self._looks:
            for kind, look in looks.items():
                if not look.any():
                    raise InputError("the tokens", f"have no place for {kind} heads to look at")
        self.scores: dict[str, list[list[_Array]]] = {k: [[] for _ in sequences] for k in kinds}
        self.attention: dict[str, list[list[_Array]]] = {k: [[] for _ in sequences] for k in kinds}

    def wants(self, name: str) -> bool:
        """As Tap.wants."""
        return name in self._layers

    def rows(self, text: int, n: int) -> _Array:
        """As Tap.rows."""
        return np.arange(0)

    def see(self, name: str, text: int, values: _Array) -> _Array:
        """As Tap.see. Layers come in their order."""
        pattern = values.astype(np.float64)
        if self._options.exclude_bos:
            pattern[:, :, 0] = 0
        if self._options.exclude_current_token:
            diagonal = np.arange(pattern.shape[1])
            pattern[:, diagonal, diagonal] = 0
        total = pattern.sum(axis=(1, 2))
        for kind, look in self._looks[text].items():
            at = (pattern * look).sum(axis=(1, 2))
            self.scores[kind][text].append(np.divide(at, total, out=at * 0, where=total > 0))
            self.attention[kind][text].append(at / look.any(axis=1).sum())
        return values
