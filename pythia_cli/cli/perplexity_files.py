"""`pythia perplexity` of whole files: they are read once, and scored with each checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_cli.cli import inputs
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.file_output import Write, opened_output, refuse_one_file
from pythia_cli.cli.output import Notices
from pythia_cli.cli.perplexity_run import PerplexityRun
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.engine.text_plan import TextPlan
    from pythia_cli.library.model import Model
    from pythia_cli.measures.protocols import Protocol
    from pythia_cli.text.token_ids import IdLines


@dataclass(frozen=True)
class FileOutput:
    """What is written of each file beside its figures, by the options."""

    per_token: Path | None = None
    show: bool = False
    html: Path | None = None
    as_json: bool = False

    def __post_init__(self) -> None:
        """Raises CommandError and InputError if two outputs are in one place."""
        if self.has_stdout + self.show + self.as_json > 1:
            raise CommandError(
                "only one of --json, --show, --per-token - and --html - can write to stdout"
            )
        refuse_one_file(self.per_token, self.html)

    @property
    def has_stdout(self) -> int:
        """How many files are stdout, so that figures go to stderr."""
        return [str(path) for path in (self.per_token, self.html)].count("-")

    @property
    def keeps_tokens(self) -> bool:
        """Whether more than sums is wanted."""
        return self.show or self.per_token is not None or self.html is not None


def measure_files(
    files: list[str],
    openers: Sequence[Callable[[], Model]],
    protocol_for: Callable[[int], Protocol],
    output: FileOutput,
    notices: Notices,
    *,
    by_line: bool,
    as_ids: bool,
) -> None:
    """Score files with each checkpoint in turn, and print the figures.

    protocol_for: the protocol of a model with a context of so many tokens. by_line: it scores each
    line alone. as_ids: the files are token ids. Raises Exit with the status of the first file that
    failed.
    """
    is_several = len(openers) > 1
    if is_several and (output.show or output.html is not None):
        raise CommandError(
            "--show and --html are for one checkpoint",
            hint="--per-token FILE, for the tokens of several",
        )
    inputs.refuse_twice(files)
    failures = Failures(notices)
    texts = _Texts(files, failures, notices, by_line=by_line, as_ids=as_ids)
    writers: tuple[Write | None, Write | None] | None = None
    with ExitStack() as outputs:
        for opener in openers:
            with opener() as model:
                chosen = protocol_for(model.config.n_ctx)
                planned = texts.planned(model, chosen)
                notices.detail(
                    f"protocol {chosen.name}, context {chosen.context}, stride {chosen.stride}"
                )
                if writers is None:
                    # With nothing to write, an earlier file is kept.
                    is_vain = all(isinstance(plans, PythiaError) for _, plans in planned)
                    per_token, html = (
                        outputs.enter_context(opened_output(None if is_vain else path, files))
                        for path in (output.per_token, output.html)
                    )
                    writers = per_token, html
                write_token, write_page = writers
                run = PerplexityRun(
                    model,
                    chosen,
                    notices,
                    as_json=output.as_json,
                    show=output.show,
                    to_stdout=bool(output.has_stdout),
                    keep_tokens=output.keeps_tokens,
                    from_ids=as_ids,
                    names_step=is_several,
                )
                run.score(planned, write_token)
                if write_page is not None:
                    write_page(run.page())
                notices.detail(
                    f"{run.totals.n_tokens / run.seconds:.1f} tokens/s, {run.seconds:.2f} s"
                )
    if writers is not None and writers[1] is not None and str(output.html) != "-":
        notices.say(f"wrote {output.html}")
    failures.exit()


class _Texts:
    """The texts of a command, and the plans of scoring them. An error is printed once.

    Raises Exit with its status if there is only one text, and it cannot be scored.
    """

    def __init__(
        self,
        files: Sequence[str],
        failures: Failures,
        notices: Notices,
        *,
        by_line: bool,
        as_ids: bool,
    ) -> None:
        def read(name: str) -> str | IdLines:
            if not as_ids:
                return inputs.read_text(name, notices, line_ends_matter=not by_line)
            from pythia_cli.cli.token_ids import read_ids

            return read_ids(name, notices, by_line=by_line)

        self._failures = failures
        self._texts = [(name, failures.attempt(read, name)) for name in files]
        self._exit_if_sole()
        self._planned: list[tuple[str, Sequence[TextPlan] | PythiaError]] = []
        self._planned_for: tuple[str, Protocol] | None = None

    def planned(
        self, model: Model, protocol: Protocol
    ) -> list[tuple[str, Sequence[TextPlan] | PythiaError]]:
        """Name and plans of each text; those of the model before, if its tokenizer is the same."""
        key = (str(model.provenance()["tokenizer_sha256"]), protocol)
        if key != self._planned_for:
            self._planned = [
                (name, self._plan(name, text, model, protocol)) for name, text in self._texts
            ]
            self._planned_for = key
            self._exit_if_sole()
        return self._planned

    def _plan(
        self, name: str, text: str | IdLines | PythiaError, model: Model, protocol: Protocol
    ) -> Sequence[TextPlan] | PythiaError:
        if isinstance(text, PythiaError):
            return text
        source = inputs.name_of(name)
        if isinstance(text, str):
            return self._failures.attempt(protocol.plan, text, model.tokenizer, source)
        from pythia_cli.cli.token_ids import plan_ids

        return self._failures.attempt(plan_ids, protocol, text, model.tokenizer, source)

    def _exit_if_sole(self) -> None:
        if len(self._texts) == 1:
            self._failures.exit()
