"""Everything that can go wrong, as one tree. Exceptions carry data; `cli/errors.py` words them.

PythiaError
├── UsageError              the request makes no sense as written            (exit status 2)
│   ├── InvalidValue        a parameter is out of range
│   ├── BadEnvironment      an environment variable makes no sense
│   ├── InvalidName         a text that names no checkpoint
│   ├── InputError          a file or text given as input cannot be used
│   │   ├── NotUtf8
│   │   └── TextTooShort    there is no token to score
│   ├── PromptTooLong       more prompt tokens than the context holds
│   ├── AlreadyInstalled    a checkpoint of that name is there
│   └── UnsupportedModel    a config.json that this engine does not run
├── NotFound                a name, step, file or installed checkpoint       (exit status 3)
│   ├── UnknownName
│   ├── NotInstalled
│   ├── NoFloatWeights      the float checkpoint behind an int8 file is gone
│   ├── NotOnHub            no such repository, branch or file, or an empty one
│   └── NotCached           offline, and not in the Hugging Face cache
├── NetworkError            no answer, or no sensible one; worth a retry     (exit status 4)
│   ├── Unreachable
│   ├── Offline             HF_HUB_OFFLINE forbids the network
│   ├── RateLimited
│   └── NotAHub             what answers is something else
├── NotAuthorised           the Hub asks for a login, or for access          (exit status 5)
├── IntegrityError          damaged or malformed data                        (exit status 6)
│   ├── DamagedCheckpoint   an installed checkpoint
│   ├── DamagedActive       the note of which checkpoint is active
│   ├── DamagedDownload     what arrived is not what the Hub describes
│   ├── NewerFormat         written by a later pythia
│   └── UnsafeFile          refused: reading it would run code
├── ResourceError           disk, memory or permission                       (exit status 7)
│   ├── NoRoom              the disk is too full
│   └── StoreNotWritable
└── LockTimeout             another process works on it                      (exit status 8)
"""

from __future__ import annotations

from pathlib import Path


class PythiaError(Exception):
    """Base of all expected failures. `str(error)` says what failed and where."""


class UsageError(PythiaError):
    """The request makes no sense as written."""


class InvalidValue(UsageError):
    """A parameter is out of range: its name in Python, its value, and what is expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name} is {value!r}; expected {expected}")
        self.name = name
        self.value = value
        self.expected = expected


class BadEnvironment(UsageError):
    """An environment variable makes no sense: its name, and what is wrong."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable = variable
        self.reason = reason


class InvalidName(UsageError):
    """A text that is no name of a checkpoint, or a reserved one."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r} {reason}")
        self.text = text
        self.reason = reason


class InputError(UsageError):
    """An input file or text cannot be used: where it is, and why."""

    def __init__(self, source: str | Path, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class NotUtf8(InputError):
    """A text that is not UTF-8: the first byte that cannot be decoded, and its offset."""

    def __init__(self, source: str | Path, byte: int, offset: int) -> None:
        super().__init__(source, f"is not UTF-8 text: byte {byte:#04x} at offset {offset}")
        self.byte = byte
        self.offset = offset


class TextTooShort(InputError):
    """A text in which there is no token to score, by this protocol."""

    def __init__(self, source: str | Path, n_tokens: int, protocol: str, n_needed: int) -> None:
        super().__init__(
            source, f"has {n_tokens} tokens; the {protocol} protocol needs at least {n_needed}"
        )
        self.n_tokens = n_tokens
        self.n_needed = n_needed


class PromptTooLong(UsageError):
    """The prompt has more tokens than the context holds beside one new token.

    index: which of several prompts.
    """

    index = 0

    def __init__(self, n_prompt_tokens: int, n_ctx: int, where: str = "") -> None:
        super().__init__(
            f"{f'{where}: ' if where else ''}the prompt has {n_prompt_tokens} tokens, but the"
            f" context of this model holds {n_ctx} and the last place is for the first new token"
        )
        self.n_prompt_tokens = n_prompt_tokens
        self.n_ctx = n_ctx


class AlreadyInstalled(UsageError):
    """A checkpoint of this name (MODEL@STEP) is in the store, and was not to be replaced."""

    def __init__(self, checkpoint: object) -> None:
        super().__init__(f"{checkpoint} is already installed")
        self.checkpoint = checkpoint


class UnsupportedModel(UsageError):
    """config.json asks for something this engine does not run; `field` names it."""

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
    """A checkpoint asked for by name is not in the store. `downloadable`: the Hub has the model."""

    def __init__(self, model: str, step: int, *, downloadable: bool) -> None:
        super().__init__(f"{model}@{step} is not in the store")
        if downloadable:
            self.add_note(f'pythia_cli.install("{model}", {step}) fetches it')
        self.model = model
        self.step = step
        self.downloadable = downloadable


class NoFloatWeights(NotFound):
    """The float checkpoint that an int8 file was made from was not kept, is gone or has changed.

    folder: where it was; None where it was not kept.
    """

    def __init__(self, checkpoint: object, reason: str, folder: Path | None = None) -> None:
        super().__init__(f"the float checkpoint that {checkpoint} was made from {reason}")
        self.checkpoint = checkpoint
        self.folder = folder


class NotOnHub(NotFound):
    """The Hub has no such repository, branch or file, or the branch is empty.

    checkpoint: the one asked for. problem: what has been reported of its branch, if anything.
    """

    def __init__(
        self, what: str, *, checkpoint: object | None = None, problem: str | None = None
    ) -> None:
        super().__init__(what)
        self.checkpoint = checkpoint
        self.problem = problem


class NotCached(NotFound):
    """We are offline, and the Hugging Face cache does not have it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not in the Hugging Face cache, and we are offline")


class NetworkError(PythiaError):
    """The Hub cannot be reached, or what answers makes no sense; trying again may help."""


class Unreachable(NetworkError):
    """No connection to the Hub."""


class Offline(NetworkError):
    """HF_HUB_OFFLINE forbids the network."""


class RateLimited(NetworkError):
    """The Hub asks for a longer pause than we are ready to make, in seconds."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(
            f"{what}: the Hub asks to come back in {seconds:.0f} s (too many requests)"
        )
        self.seconds = seconds


class NotAHub(NetworkError):
    """What answers at the Hub's address is something else."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"what answers at {endpoint} is not a Hugging Face Hub")
        self.endpoint = endpoint


class NotAuthorised(PythiaError):
    """The Hub wants a login (status 401), or this account has no access (403)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class IntegrityError(PythiaError):
    """Damaged or malformed data: which file, which tensor or field, and what is wrong."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class DamagedCheckpoint(IntegrityError):
    """A file of an installed checkpoint (MODEL@STEP) is damaged or missing."""

    def __init__(self, path: str | Path, reason: str, checkpoint: object) -> None:
        super().__init__(path, reason)
        self.checkpoint = checkpoint


class DamagedActive(IntegrityError):
    """The note of which checkpoint is active cannot be read."""


class DamagedDownload(IntegrityError):
    """What arrived is not what the Hub describes."""


class NewerFormat(IntegrityError):
    """Whole, as far as this version can tell, but written by a later one."""


class UnsafeFile(IntegrityError):
    """Refused because reading it would run code or it is not what its name says."""


class ResourceError(PythiaError):
    """The disk, the memory or a permission does not allow it."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class NoRoom(ResourceError):
    """The disk is too full, in bytes."""

    def __init__(self, path: str | Path, what: str, n_bytes: float, free: float) -> None:
        super().__init__(
            path, f"{what} needs {n_bytes / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free"
        )
        self.n_bytes = n_bytes
        self.free = free


class StoreNotWritable(ResourceError):
    """The folder of checkpoints cannot be written."""


class LockTimeout(PythiaError):
    """Another process has worked on the same thing for longer than we wait."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} is still in use by another pythia after {seconds:.0f} s")
        self.what = what
        self.seconds = seconds
