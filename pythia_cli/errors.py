"""Everything that can go wrong, as one tree; the exceptions carry data, `cli/errors.py` words it.

PythiaError
├── UsageError            the request makes no sense as written            (exit status 2)
│   ├── InputError        a file or text given as input cannot be used
│   ├── PromptTooLong     more prompt tokens than the context holds
│   └── UnsupportedModel  a config.json that this engine does not run
├── NotFound              a name, step, file or installed checkpoint       (exit status 3)
│   ├── UnknownName
│   └── NotInstalled
├── NetworkError          no answer, or no sensible one; worth a retry     (exit status 4)
├── NotAuthorised         the Hub asks for a login, or for access          (exit status 5)
├── IntegrityError        damaged or malformed data                        (exit status 6)
│   ├── NewerFormat       written by a later pythia
│   └── UnsafeFile        refused: reading it would run code
├── ResourceError         disk, memory or permission                       (exit status 7)
└── LockTimeout           another process works on it                      (exit status 8)
"""

from __future__ import annotations

from pathlib import Path


class PythiaError(Exception):
    """Base of all expected failures. `str(error)` says what and where, `hint` what to type next."""

    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(PythiaError):
    """The request makes no sense as written."""


class InputError(UsageError):
    """An input file or text cannot be used: where it is, and why."""

    def __init__(self, source: str | Path, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{source}: {reason}", hint=hint)
        self.source = source
        self.reason = reason


class PromptTooLong(UsageError):
    """The prompt has more tokens than the context holds beside one new token."""

    hint = "shorten the prompt, or add --truncate-prompt to keep its end"

    def __init__(self, n_prompt_tokens: int, n_ctx: int, where: str = "") -> None:
        super().__init__(
            f"{f'{where}: ' if where else ''}the prompt has {n_prompt_tokens} tokens, but the"
            f" context of this model holds {n_ctx} and the last place is for the first new token"
        )
        self.n_prompt_tokens = n_prompt_tokens
        self.n_ctx = n_ctx


class UnsupportedModel(UsageError):
    """config.json asks for something this engine does not run; `field` names it."""

    hint = "a GPT-NeoX checkpoint with exact GELU, such as EleutherAI/pythia-410m"

    def __init__(self, source: str | Path, field: str, value: object, expected: str) -> None:
        super().__init__(f"{source}: {field} is {value!r}; expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


class NotFound(PythiaError):
    """A file, a name or an installed checkpoint is not there."""


class UnknownName(NotFound):
    """A model or checkpoint name that does not exist, with the nearest names that do."""

    def __init__(self, kind: str, name: str, nearest: list[str]) -> None:
        guess = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"unknown {kind} {name!r}{guess}")
        self.name = name
        self.nearest = nearest


class NotInstalled(NotFound):
    """A checkpoint asked for by name is not in the store."""

    def __init__(self, model: str, step: int, *, downloadable: bool) -> None:
        super().__init__(f"{model} step{step} is not installed")
        self.hint = "pythia checkpoint list"
        if downloadable:
            self.hint = f"pythia download -m {model} -c {step}"


class NetworkError(PythiaError):
    """The Hub cannot be reached, or what answers is not the Hub; the same again may succeed."""


class NotAuthorised(PythiaError):
    """The Hub wants a login (401), or this account has no access (403)."""


class IntegrityError(PythiaError):
    """Damaged or malformed data: which file, which tensor or field, and what is wrong."""

    def __init__(self, path: str | Path, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {reason}", hint=hint)
        self.path = path
        self.reason = reason


class NewerFormat(IntegrityError):
    """Whole, as far as this version can tell, and not for it to read."""

    hint = "upgrade this pythia, or choose another store with --store"


class UnsafeFile(IntegrityError):
    """Refused because reading it would run code or it is not what its name says."""


class ResourceError(PythiaError):
    """The disk, the memory or a permission does not allow it."""

    def __init__(self, path: str | Path, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {reason}", hint=hint)
        self.path = path
        self.reason = reason


class LockTimeout(PythiaError):
    """Another process has worked on the same thing for longer than we wait."""

    hint = "the same again when the other is done, or --wait SECONDS"

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} is still in use by another pythia after {seconds:.0f} s")
