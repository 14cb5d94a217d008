"""Model: an open checkpoint with its measures. The main class of the library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pythia_cli.errors import InvalidValue
from pythia_cli.model.open_model import Dtype, OpenModel

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.inside.activations import Activations
    from pythia_cli.inside.patches import Patch
    from pythia_cli.inside.saving import Saved
    from pythia_cli.inside.selection import KeptDtype
    from pythia_cli.measures.surprisal import Unit
    from pythia_cli.tables.kinds import Kind
    from pythia_cli.tables.records import Records
    from pythia_cli.tables.running import Measure
    from pythia_cli.text.word_starts import Correction

__all__ = ["Dtype", "Model"]

_Given = Mapping[str, Any]
_T = TypeVar("_T")


class Model(OpenModel):
    """An open checkpoint. Created by `load`; a context manager.

    Opening only maps the weights; memory for running is allocated on first use. If the file is cut
    short meanwhile, SIGBUS ends the process. UsageError if two threads use one; open one for each.
    """

    def surprisal(
        self,
        texts: Iterable[str | _Given],
        *,
        by: Unit = "word",
        base: float = 2,
        correction: Correction = "pimentel-meister",
        bos: bool = True,
        context: int | None = None,
        stride: int | None = None,
        column: str | None = None,
        skip_errors: bool = False,
    ) -> Records:
        """The surprisal of each word, token or text (docs/surprisal.md), as rows of a table.

        texts: texts, or mappings of columns, of which `column` (default: "text") is the text and
        the others are kept. base: 2 gives bits, math.e nats. correction: which tokens may begin a
        word, as Pimentel and Meister 2024, Oh and Schuler 2024, or "white-space". bos, context,
        stride: as in `score`. skip_errors: a text that cannot be measured gets a row with `error`,
        in place of raising it. Raises InvalidValue, and InputError for a text without words or one
        that UTF-8 cannot encode.

        >>> [(row["word"], round(row["surprisal"], 1)) for row in model.surprisal(["It was not."])]
        [('It', 7.1), ('was', 2.8), ('not.', 12.0)]
        """
        from pythia_cli.measures.surprisal import SurprisalOptions
        from pythia_cli.measures.surprisal_items import surprisal_columns, surprisal_measure

        options = SurprisalOptions(by, base, correction, bos, context, stride)
        options.check(self.config.n_ctx)
        measure = surprisal_measure(options)
        return self._collect("texts", texts, column, surprisal_columns(by), measure, skip_errors)

    def pairs(
        self,
        pairs: Iterable[tuple[str, str] | _Given],
        *,
        good: str = "sentence_good",
        bad: str = "sentence_bad",
        leading_space: bool = False,
        skip_errors: bool = False,
    ) -> Records:
        """Which sentence of each minimal pair is more likely (docs/pairs.md), as rows of a table.

        pairs: pairs of texts, the acceptable one first; or mappings of columns, such as lines of
        BLiMP, of which `good` and `bad` are the texts. leading_space: put a space before each
        sentence, as lm-evaluation-harness does. skip_errors: as in `surprisal`. Raises InvalidValue
        for what is no pair, InputError for an empty sentence or one longer than the context.

        >>> [row["correct"] for row in model.pairs([("She was here.", "She were here.")])]
        [1.0]
        """
        from pythia_cli.measures.pair_items import PAIR_COLUMNS, pair_measure

        given = [_pair(pair, good, bad) for pair in _several("pairs", pairs)]
        measure = pair_measure(good=good, bad=bad, leading_space=leading_space)
        return self._collect("pairs", given, None, PAIR_COLUMNS, measure, skip_errors)

    def choices(
        self,
        questions: Iterable[_Given],
        *,
        context: str = "context",
        choices: str | Sequence[str] = "choices",
        label: str | None = None,
        delimiter: str = " ",
        skip_errors: bool = False,
    ) -> Records:
        """Which continuation of each context is most likely (docs/choices.md), as rows of a table.

        questions: mappings of columns, of which `context` is a text, `choices` a list of texts (or
        several columns, a text in each), and `label` the index of the right one, from 0, or its
        text; None: the column "label", if there is one, in which None, "" and -1 are no label.
        skip_errors: as in `surprisal`. Raises InputError for a question without choices, with
        another label, or longer than the context.

        >>> question = {"context": "She was", "choices": ["very", "xyzzy"], "label": 0}
        >>> [row["acc"] for row in model.choices([question])]
        [1.0]
        """
        from pythia_cli.measures.choice_items import CHOICE_COLUMNS, choice_measure

        given = list(_several("questions", questions))
        is_named = label is not None
        if label is None and any("label" in one for one in given if isinstance(one, Mapping)):
            label = "label"
        columns = [choices] if isinstance(choices, str) else choices
        measure = choice_measure(
            context=context,
            choices=columns,
            label=label,
            delimiter=delimiter,
            may_lack_label=not is_named,
        )
        return self._collect("questions", given, None, CHOICE_COLUMNS, measure, skip_errors)

    def memorize(
        self,
        rows: Iterable[Sequence[int] | np.ndarray[Any, Any] | str | _Given],
        *,
        prompt: int = 32,
        continuation: int = 32,
        extractable_only: bool = False,
        end_of_text: bool = False,
        column: str = "tokens",
        skip_errors: bool = False,
    ) -> Records:
        """How much of what follows a prompt is repeated (docs/memorize.md), as rows of a table.

        rows: token ids, texts, or mappings of columns, of which `column` is either. The first
        `prompt` tokens are read, and the next `continuation` ones compared with greedy decoding.
        extractable_only: stop a row at its first miss. end_of_text: the model may choose
        <|endoftext|>. skip_errors: as in `surprisal`. Raises InvalidValue, and InputError for a row
        that is too short or has ids that no token has.

        >>> ids = model.tokenize("It was a very good thing to be").token_ids
        >>> model.memorize([ids], prompt=2, continuation=6)[0]["score"]
        1.0
        """
        from pythia_cli.measures.memorize import MemorizationOptions
        from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS, memorized_measure
        from pythia_cli.tables.values import plain

        options = MemorizationOptions(prompt, continuation, extractable_only, end_of_text)
        options.check(self.config.n_ctx)
        given = (
            row if isinstance(row, Mapping) else {column: plain(row)}
            for row in _several("rows", rows)
        )
        measure = memorized_measure(options, column)
        return self._collect("rows", given, column, MEMORIZED_COLUMNS, measure, skip_errors)

    def run(
        self,
        texts: Sequence[str | Sequence[int]],
        capture: str | Iterable[str] = "logits",
        *,
        patch: Mapping[str, Patch] | None = None,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        dtype: KeptDtype = "float32",
        bos: bool = False,
    ) -> list[Activations]:
        """Run texts, or token ids, and keep activations: for each, arrays by name (docs/inside.md).

        capture: names as in TransformerLens, or patterns such as "blocks.*.hook_resid_post"; also
        "logits". patch: arrays or functions by names or patterns, to put in the place of
        activations; a function is called with a copy of the values [n, ...] and hook=(name, layer,
        text), and returns new ones, or None if it has changed its copy. positions, heads: those
        that are kept; None: all. dtype: of what is kept. bos: put <|endoftext|> before each text.
        Raises UnknownName, InvalidValue, UsageError for a text that does not fit the context.

        >>> (found,) = model.run(["It was not"], ["blocks.*.hook_resid_post"], positions=[-1])
        >>> found["blocks.0.hook_resid_post"].shape
        (1, 128)
        """
        from pythia_cli.inside.running import run

        return run(
            self,
            texts,
            capture,
            patch=patch,
            positions=positions,
            heads=heads,
            dtype=dtype,
            bos=bos,
        )

    def save_activations(
        self,
        texts: Iterable[str | _Given],
        path: str | Path,
        capture: str | Iterable[str],
        *,
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        dtype: KeptDtype = "float32",
        bos: bool = False,
        column: str | None = None,
    ) -> Saved:
        """As `run`, streamed to a .safetensors or .npy file with a manifest (docs/inside.md).

        texts: texts, or mappings of columns, of which `column` (default: "text") is the text.
        Raises InputError for a text that does not fit the context, OutsideText, TooLarge, NoRoom
        and ResourceError; nothing is written then.
        """
        from pythia_cli.inside.saving import save_activations
        from pythia_cli.inside.selection import Selection
        from pythia_cli.tables.text_items import TextItems

        selection = Selection.of(self.config, capture, positions, heads, dtype)
        items = TextItems(_several("texts", texts), column, "texts")
        return save_activations(self, items, Path(path), selection, bos=bos)

    def lens(
        self,
        texts: Iterable[str | _Given],
        *,
        top: int = 5,
        tuned: str | Path | None = None,
        positions: Sequence[int] | None = None,
        bos: bool = False,
        column: str | None = None,
        skip_errors: bool = False,
    ) -> Records:
        """What each layer predicts (docs/lens.md): a row for each layer and position.

        top: how many of the likeliest tokens. tuned: folder or file of a tuned lens; None: the
        logit lens. positions, bos: as in `run`. texts, column, skip_errors: as in `surprisal`.
        Raises InvalidValue, InputError for a text longer than the context, and for a tuned lens
        that does not fit, NotFound, IntegrityError.

        >>> [row["rank"] for row in model.lens(["It was"], positions=[0])]  # of " was"
        [465, 1, 1, 0, 0, 0, 0]
        """
        from pythia_cli.measures.lens import LensOptions
        from pythia_cli.measures.lens_items import LENS_COLUMNS, lens_measure

        options = LensOptions(top, positions, bos, None if tuned is None else Path(tuned))
        options.check(self.config)
        measure = lens_measure(options)
        return self._collect("texts", texts, column, LENS_COLUMNS, measure, skip_errors)

    def _collect(
        self,
        name: str,
        given: Iterable[str | _Given],
        column: str | None,
        columns: Mapping[str, Kind],
        measure: Measure[Any, Any],
        skip_errors: bool,
    ) -> Records:
        """The rows of a measure of what is given. name: the argument that it is."""
        from pythia_cli.tables.records import collect
        from pythia_cli.tables.text_items import TextItems

        return collect(
            TextItems(_several(name, given), column, name),
            columns,
            [lambda: contextlib.nullcontext(self)],
            measure,
            skip_errors=skip_errors,
            reporter=self.reporter,
        )


def _several(name: str, given: Iterable[_T]) -> Iterable[_T]:
    """What is given. Raises InvalidValue if it is a single one."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidValue(name, given, "several of them, in a list")
    return given


def _pair(pair: object, good: str, bad: str) -> _Given:
    """The columns of a pair. Raises InvalidValue for anything but a mapping or two texts."""
    if isinstance(pair, Mapping):
        return pair
    if isinstance(pair, tuple | list) and [type(text) for text in pair] == [str, str]:
        return {good: pair[0], bad: pair[1]}
    raise InvalidValue("pairs", pair, "for each, two texts or a mapping of columns")
