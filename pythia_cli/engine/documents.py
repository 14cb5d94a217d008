"""Plans of the many parts of a text that are scored each by itself, such as its lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from pythia_cli.engine.text_plan import TextPlan, stride_plan
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.token_ids import IdLines, covering, spelled_text
from pythia_cli.text.tokenizer import PythiaTokenizer


class Plans(Sequence[TextPlan], ABC):
    """Plans that are made when they are asked for.

    n_tokens, n_scored: sums over all plans.
    """

    n_tokens: int
    n_scored: int

    @abstractmethod
    def plan(self, index: int) -> TextPlan:
        """The plan with this index, which is within the sequence."""

    @overload
    def __getitem__(self, index: int) -> TextPlan: ...
    @overload
    def __getitem__(self, index: slice) -> list[TextPlan]: ...
    def __getitem__(self, index: int | slice) -> TextPlan | list[TextPlan]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self.plan(index)


class Documents(Plans):
    """As a list of `stride_plan(text[begin:end], ...)`, each made when it is asked for.

    A list of plans would take 800 bytes for each, and a text may have millions of lines.

    spans: begin and end of each part, in characters. task: advances by parts.
    n_tokens, n_scored: sums over all plans.
    """

    def __init__(
        self,
        text: str,
        spans: Iterable[tuple[int, int]],
        tokenizer: PythiaTokenizer,
        context: int,
        stride: int,
        *,
        bos: bool,
        task: Task = NO_TASK,
    ) -> None:
        self._text, self._tokenizer = text, tokenizer
        self._context, self._stride, self._bos = context, stride, bos
        self._begins, self._ends, self._token_ends = array("q"), array("q"), array("q")
        self.n_tokens = self.n_scored = 0

        def parts() -> Iterator[str]:
            for begin, end in spans:
                self._begins.append(begin)
                self._ends.append(end)
                yield text[begin:end]

        blocks: list[Encoded] = []
        for encoded, n_tokens in tokenizer.encode_each(parts()):
            blocks.append(encoded)
            for n in n_tokens:
                self.n_tokens += n
                self.n_scored += max(0, n + bos - 1)
                self._token_ends.append(self.n_tokens)
            task.advance(len(n_tokens))
        self._encoded = Encoded.joined(blocks)

    def __len__(self) -> int:
        return len(self._ends)

    def plan(self, index: int) -> TextPlan:
        """The plan of the part with this index."""
        return stride_plan(
            self._text[self._begins[index] : self._ends[index]],
            self._tokenizer,
            self._context,
            self._stride,
            bos=self._bos,
            encoded=self._encoded.part(
                self._token_ends[index - 1] if index else 0, self._token_ends[index]
            ),
        )


class IdDocuments(Plans):
    """As Documents, of lines of token ids. Lines without any are left out.

    n_tokens, n_scored: sums over all plans.
    """

    def __init__(
        self, lines: IdLines, tokenizer: PythiaTokenizer, context: int, stride: int, *, bos: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._context, self._stride, self._bos = context, stride, bos
        self._encoded = covering(lines.token_ids, tokenizer)
        self._ends = array("q")
        self.n_tokens, self.n_scored, begin = len(self._encoded), 0, 0
        for end in lines.ends:
            if begin < end:
                self._ends.append(end)
                self.n_scored += end - begin + bos - 1
            begin = end

    def __len__(self) -> int:
        return len(self._ends)

    def plan(self, index: int) -> TextPlan:
        """The plan of the part with this index."""
        begin = self._ends[index - 1] if index else 0
        encoded = self._encoded.part(begin, self._ends[index])
        return stride_plan(
            spelled_text(encoded.token_ids, self._tokenizer),
            self._tokenizer,
            self._context,
            self._stride,
            bos=self._bos,
            encoded=encoded,
        )


def count_scored(plans: Sequence[TextPlan]) -> int:
    """The number of tokens that these plans score."""
    if isinstance(plans, Plans):
        return plans.n_scored
    return sum(plan.n_scored for plan in plans)
