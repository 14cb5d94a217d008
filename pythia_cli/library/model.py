"""Model: an open checkpoint with its measures. The main class of the library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pythia_cli.errors import InvalidValue
from pythia_cli.model.open_model import Dtype, OpenModel

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.measures.surprisal import Unit
    from pythia_cli.tables.kinds import Kind
    from pythia_cli.tables.records import Records
    from pythia_cli.tables.running import Measure
    from pythia_cli.text.word_starts import Correction

__all__ = ["Dtype", "Model"]

_Given = Mapping[str, Any]


class Model(OpenModel):
    """An open checkpoint. Created by `load`; a context manager.

    Opening only maps the weights; memory for running is allocated on first use. If the file is cut
    short meanwhile, SIGBUS ends the process. UsageError if two threads use one; open one for each.
    """

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The quantization error, if it was measured at installation; else None."""
        return self.opened.installed.certificate

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
    ) -> Records:
        """The surprisal of each word, token or text (docs/surprisal.md), as rows of a table.

        texts: texts, or mappings of columns, of which `column` (default: "text") is the text and
        the others are kept. base: 2 gives bits, math.e nats. correction: which tokens may begin a
        word, as Pimentel and Meister 2024, Oh and Schuler 2024, or "white-space". bos, context,
        stride: as in `score`. Raises InvalidValue, and InputError for a text without words or one
        that UTF-8 cannot encode.

        >>> [(row["word"], round(row["surprisal"], 1)) for row in model.surprisal(["It was not."])]
        [('It', 7.1), ('was', 2.8), ('not.', 12.0)]
        """
        from pythia_cli.measures.surprisal import SurprisalOptions
        from pythia_cli.measures.surprisal_items import surprisal_columns, surprisal_measure

        options = SurprisalOptions(by, base, correction, bos, context, stride)
        options.check(self.config.n_ctx)
        measure = surprisal_measure(options)
        return self._collect(texts, column, surprisal_columns(by), measure)

    def pairs(
        self,
        pairs: Iterable[tuple[str, str] | _Given],
        *,
        good: str = "sentence_good",
        bad: str = "sentence_bad",
        leading_space: bool = False,
    ) -> Records:
        """Which sentence of each minimal pair is more likely (docs/pairs.md), as rows of a table.

        pairs: pairs of texts, the acceptable one first; or mappings of columns, such as lines of
        BLiMP, of which `good` and `bad` are the texts. leading_space: put a space before each
        sentence, as lm-evaluation-harness does. Raises InputError for an empty sentence, and
        UsageError for one longer than the context.

        >>> [row["correct"] for row in model.pairs([("She was here.", "She were here.")])]
        [1.0]
        """
        from pythia_cli.measures.pair_items import PAIR_COLUMNS, pair_measure

        given = (p if isinstance(p, Mapping) else {good: p[0], bad: p[1]} for p in pairs)
        measure = pair_measure(good=good, bad=bad, leading_space=leading_space)
        return self._collect(given, None, PAIR_COLUMNS, measure)

    def choices(
        self,
        questions: Iterable[_Given],
        *,
        context: str = "context",
        choices: str = "choices",
        label: str | None = None,
        delimiter: str = " ",
    ) -> Records:
        """Which continuation of each context is most likely (docs/choices.md), as rows of a table.

        questions: mappings of columns, of which `context` is a text, `choices` a list of texts, and
        `label` the index of the right one, from 0, or its text. Raises InputError for a question
        without choices or with another label, UsageError for one longer than the context.

        >>> question = {"context": "She was", "choices": ["very", "xyzzy"], "gold": 0}
        >>> [row["acc"] for row in model.choices([question], label="gold")]
        [1.0]
        """
        from pythia_cli.measures.choice_items import CHOICE_COLUMNS, choice_measure

        measure = choice_measure(
            context=context, choices=[choices], label=label, delimiter=delimiter
        )
        return self._collect(questions, None, CHOICE_COLUMNS, measure)

    def memorize(
        self,
        rows: Iterable[Sequence[int] | np.ndarray[Any, Any] | str | _Given],
        *,
        prompt: int = 32,
        continuation: int = 32,
        extractable_only: bool = False,
        end_of_text: bool = False,
        column: str = "tokens",
    ) -> Records:
        """How much of what follows a prompt is repeated (docs/memorize.md), as rows of a table.

        rows: token ids, texts, or mappings of columns, of which `column` is either. The first
        `prompt` tokens are read, and the next `continuation` ones compared with greedy decoding.
        extractable_only: stop a row at its first miss. end_of_text: the model may choose
        <|endoftext|>. Raises InvalidValue, and InputError for a row that is too short or has ids
        that no token has.

        >>> ids = model.tokenize("It was a very good thing to be").token_ids
        >>> model.memorize([ids], prompt=2, continuation=6)[0]["score"]
        1.0
        """
        from pythia_cli.measures.memorize import MemorizationOptions
        from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS, memorized_measure
        from pythia_cli.tables.values import plain

        options = MemorizationOptions(prompt, continuation, extractable_only, end_of_text)
        options.check(self.config.n_ctx)
        if isinstance(rows, str | Mapping):
            raise InvalidValue("rows", rows, "several of them, in a list")
        given = (row if isinstance(row, Mapping) else {column: plain(row)} for row in rows)
        measure = memorized_measure(options, column)
        return self._collect(given, column, MEMORIZED_COLUMNS, measure)

    def _collect(
        self,
        given: Iterable[str | _Given],
        column: str | None,
        columns: Mapping[str, Kind],
        measure: Measure[Any, Any],
    ) -> Records:
        """The rows of a measure of what is given."""
        from pythia_cli.tables.records import collect
        from pythia_cli.tables.text_items import TextItems

        if isinstance(given, str | Mapping):
            raise InvalidValue("texts", given, "several of them, in a list")
        items = TextItems(given, column)
        return collect(items, columns, [lambda: contextlib.nullcontext(self)], measure)
