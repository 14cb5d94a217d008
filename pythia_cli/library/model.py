"""Model: an open checkpoint with its measures. The main class of the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pythia_cli.errors import InvalidValue
from pythia_cli.library.collecting import several
from pythia_cli.library.inspected import InspectedModel
from pythia_cli.model.open_model import Dtype

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.measures.surprisal import Unit
    from pythia_cli.tables.records import Records
    from pythia_cli.text.word_starts import Correction

__all__ = ["Dtype", "Model"]

_Given = Mapping[str, Any]


class Model(InspectedModel):
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

        given = [_pair(pair, good, bad) for pair in several("pairs", pairs)]
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

        given = list(several("questions", questions))
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
            for row in several("rows", rows)
        )
        measure = memorized_measure(options, column)
        return self._collect("rows", given, column, MEMORIZED_COLUMNS, measure, skip_errors)

    def icl(
        self,
        texts: Iterable[str | _Given],
        *,
        early: int = 50,
        late: int = 500,
        bos: bool = True,
        column: str | None = None,
        skip_errors: bool = False,
    ) -> Records:
        """In-context learning in each text (docs/icl.md), as rows of a table.

        texts: as in `surprisal`. Each is cut into windows of `late` tokens. icl: the loss of their
        last token less that of the token `early`, from 1, in nats; the mean over the windows. bos:
        put <|endoftext|> before each window. skip_errors: as in `surprisal`. Raises InvalidValue,
        and NoWindows, an InputError, if no text is as long as a window.

        >>> text = "It was not a small one. " * 10
        >>> round(model.icl([text], early=7, late=42)[0]["icl"], 2)
        -0.08
        """
        from pythia_cli.measures.icl import InContextOptions
        from pythia_cli.measures.icl_items import ICL_COLUMNS, icl_measure
        from pythia_cli.measures.problems import NoWindows

        options = InContextOptions(early, late, bos)
        options.check(self.config.n_ctx)
        measure = icl_measure(options)
        rows = self._collect("texts", texts, column, ICL_COLUMNS, measure, skip_errors)
        measured = [row for row in rows if row["n_windows"] is not None]
        if measured and not any(row["n_windows"] for row in measured):
            raise NoWindows("texts", [row["n_tokens"] for row in measured], late)
        return rows


def _pair(pair: object, good: str, bad: str) -> _Given:
    """The columns of a pair. Raises InvalidValue for anything but a mapping or two texts."""
    if isinstance(pair, Mapping):
        return pair
    if isinstance(pair, tuple | list) and [type(text) for text in pair] == [str, str]:
        return {good: pair[0], bad: pair[1]}
    raise InvalidValue("pairs", pair, "for each, two texts or a mapping of columns")
