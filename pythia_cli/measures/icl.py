"""In-context learning: the loss late in a context minus that early in it (docs/icl.md).

Olsson et al. 2022, In-context Learning and Induction Heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pythia_cli.engine.checks import check_whole
from pythia_cli.engine.scorer import score_texts
from pythia_cli.engine.scores import check_finite
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.errors import InvalidValue, PythiaError
from pythia_cli.measures.quantization_error import certified_kl, near_tie
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.measuring import measured_together


@dataclass(frozen=True)
class InContextOptions:
    """Which tokens of a window are compared, counted from 1.

    A window is `late` tokens. bos: <|endoftext|> comes before it, and is not counted.
    """

    early: int = 50
    late: int = 500
    bos: bool = True

    def check(self, n_ctx: int | None = None) -> None:
        """Raises InvalidValue for impossible numbers. n_ctx: the context of a model, if known."""
        check_whole("early", self.early, 1)
        check_whole("late", self.late, 1)
        if not self.bos and self.early == 1:
            expected = "2 or more, as nothing is before the first token without <|endoftext|>"
            raise InvalidValue("early", self.early, expected)
        if self.late <= self.early:
            raise InvalidValue("late", self.late, f"more than the early token, {self.early}")
        # The last token is predicted, and not read.
        if n_ctx is not None and self.late > (most := n_ctx + (not self.bos)):
            raise InvalidValue("late", self.late, f"{most} or less in a context of {n_ctx}")


class InContextMeter:
    """Measures in-context learning with one model. Raises InvalidValue for impossible options."""

    def __init__(self, model: OpenModel, options: InContextOptions | None = None) -> None:
        self.options = InContextOptions() if options is None else options
        self.options.check(model.config.n_ctx)
        self._model = model
        self._kl = certified_kl(model)

    def measure(
        self, texts: Sequence[str], reporter: Reporter = SILENT
    ) -> list[dict[str, Any] | PythiaError]:
        """A record of each text, or its error. reporter: shows the tokens that are scored.

        The text is cut into windows one after the other; what is left at its end is not used.
        n_tokens, n_windows: of the text. loss_early, loss_late: the mean nll of the early and of
        the late token of the windows, in nats. icl: the mean of the difference, late minus early;
        negative if the model learns from the context. stderr: the standard error of icl over the
        windows, s / sqrt(n_windows), s with n_windows - 1; None for one window. int8_error: by how
        much int8 may have moved icl, in nats (near_tie of quantization_error.py); 0 in float32, and
        None without a certificate. All but the first two are None for a text without windows.

        A text that cannot be tokenized has an InputError in its place. Raises IntegrityError if the
        model gives NaN.
        """

        def records(encoded: list[np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
            counts = [len(token_ids) // self.options.late for token_ids in encoded]
            with reporter.task("scoring", 2 * sum(counts), "tokens") as task:
                windows = (one for token_ids in encoded for one in self._windows(token_ids))
                scores = score_texts(windows, self._model.scorer, task)
                found = [[next(scores).nll for _ in range(n)] for n in counts]
            return [
                self._record(len(token_ids), losses)
                for token_ids, losses in zip(encoded, found, strict=True)
            ]

        return measured_together(texts, self._model.tokenizer.encode, records)

    def _windows(self, token_ids: np.ndarray[Any, Any]) -> Iterator[TargetedText]:
        """What is run of each window, with its early and its late token as targets."""
        early, late, bos = self.options.early, self.options.late, self.options.bos
        before = [self._model.tokenizer.end_of_text] if bos else []
        for begin in range(0, len(token_ids) - late + 1, late):
            window = token_ids[begin : begin + late]
            inputs = np.concatenate([np.array(before, np.int64), window[:-1]])
            targets = np.full(len(inputs), NO_TARGET)
            for place in (early, late):  # counted from 1; a target is beside the token before it
                targets[place - 2 + bos] = window[place - 1]
            yield TargetedText(inputs, targets)

    def _record(self, n_tokens: int, losses: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
        check_finite(*losses)
        n = len(losses)
        mean = [math.fsum(column) / n for column in zip(*losses, strict=True)]
        differences = [float(late - early) for early, late in losses]
        icl = math.fsum(differences) / n if n else None
        return {
            "n_tokens": n_tokens,
            "n_windows": n,
            "loss_early": mean[0] if n else None,
            "loss_late": mean[1] if n else None,
            "icl": icl,
            "stderr": None if n < 2 else float(np.std(differences, ddof=1)) / math.sqrt(n),
            "int8_error": None if self._kl is None or not n else near_tie(self._kl, 2 * n) / n,
        }


class InContextTotals:
    """The figures of many texts: over all their windows, not the means of theirs."""

    def __init__(self) -> None:
        self._n = self._n_texts = self._n_short = 0
        self._early = self._late = self._icl = 0.0  # means
        self._squares = 0.0  # of deviations from the mean
        self._error: float | None = 0.0  # the square of what int8 may have moved the sum by

    def add(self, record: Mapping[str, Any]) -> None:
        """Count the record of a text."""
        self._n_texts += 1
        n = record["n_windows"]
        if not n:
            self._n_short += 1
            return
        # Means and squares of two parts together: Chan, Golub and LeVeque 1983.
        total = self._n + n
        difference = record["icl"] - self._icl
        self._squares += n * (n - 1) * (record["stderr"] or 0.0) ** 2
        self._squares += difference**2 * self._n * n / total
        self._icl += difference * n / total
        self._early += (record["loss_early"] - self._early) * n / total
        self._late += (record["loss_late"] - self._late) * n / total
        self._n = total
        error = record["int8_error"]
        if self._error is not None:
            self._error = None if error is None else self._error + (n * error) ** 2

    def figures(self) -> dict[str, Any]:
        """For JSON: n, the windows; icl, its standard error over them; loss_early, loss_late, ...

        int8_error: None if it is not known of all texts. n_texts: all; n_short: those without a
        window.
        """
        n = self._n
        return {
            "n": n,
            "icl": self._icl if n else None,
            "stderr": None if n < 2 else math.sqrt(self._squares / (n * (n - 1))),
            "loss_early": self._early if n else None,
            "loss_late": self._late if n else None,
            "int8_error": None if self._error is None or not n else math.sqrt(self._error) / n,
            "n_texts": self._n_texts,
            "n_short": self._n_short,
        }
