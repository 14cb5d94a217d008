"""All expected failures, as one tree. Exceptions carry data; `cli/errors.py` words them.

PythiaError
├── UsageError              the request is invalid                           (exit status 2)
│   ├── InvalidValue        a parameter is out of range
│   ├── BadEnvironment      an environment variable is invalid
│   ├── InvalidName         not a valid name of a checkpoint
│   ├── InputError          a file or text given as input cannot be used
│   │   ├── NotUtf8
│   │   └── TextTooShort    no token can be scored
│   ├── PromptTooLong       more prompt tokens than the context holds
│   ├── AlreadyInstalled    a checkpoint with this name is installed
│   └── UnsupportedModel    the engine cannot run this config.json
├── NotFound                no such name, step, file or checkpoint           (exit status 3)
│   ├── UnknownName
│   ├── NotInstalled
│   ├── NoFloatWeights      the float weights of an int8 checkpoint are gone
│   ├── NoByteParts         an int8 file of an earlier version lacks what precision "fast" needs
│   ├── NotOnHub            no such repository, branch or file on the Hub
│   └── NotCached           offline, and missing in the Hugging Face cache
├── NetworkError            no valid answer from the Hub; a retry may help   (exit status 4)
│   ├── Unreachable
│   ├── Offline             HF_HUB_OFFLINE forbids the network
│   ├── RateLimited
│   └── NotAHub             HF_ENDPOINT is not a Hugging Face Hub
├── NotAuthorised           the Hub requires a login or denies access        (exit status 5)
├── IntegrityError          damaged or malformed data                        (exit status 6)
│   ├── DamagedCheckpoint   an installed checkpoint
│   ├── DamagedActive       the file that names the active checkpoint
│   ├── DamagedDownload     a file differs from what the Hub describes
│   ├── NewerFormat         written by a later pythia
│   └── UnsafeFile          reading it could run code, so it is refused
├── ResourceError           disk, memory or permission                       (exit status 7)
│   ├── NoRoom              the disk is too full
│   └── StoreNotWritable
└── LockTimeout             another process is using it                      (exit status 8)
"""

from __future__ import annotations

from pathlib import Path

_LONGEST = 2000  # characters of a message


class PythiaError(Exception):
    """Base of all expected failures. `str(error)` says what failed and where."""

    def __init__(self, message: str) -> None:
        # A file may hold names and values of any length. What was expected is at the end.
        if len(message) > _LONGEST:
            message = f"{message[: _LONGEST // 2]} ... {message[-(_LONGEST // 2) :]}"
        super().__init__(message)


class UsageError(PythiaError):
    """The request is invalid."""


class InvalidValue(UsageError):
    """A parameter is out of range. Carries its Python name, its value and what is expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name} is {value!r}; expected {expected}")
        self.name, self.value, self.expected = name, value, expected


class BadEnvironment(UsageError):
    """An environment variable is invalid. Carries its name and the reason."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable, self.reason = variable, reason


class InvalidName(UsageError):
    """A text that is not a valid checkpoint name, or is a reserved one."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r} {reason}")
        self.text, self.reason = text, reason


class InputError(UsageError):
    """An input file or text cannot be used. Carries its source and the reason."""

    def __init__(self, source: str | Path, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason = source, reason


class NotUtf8(InputError):
    """A text, or this line of it, is not UTF-8: the first invalid byte, its offset, and a guess."""

    def __init__(
        self, source: str | Path, byte: int, offset: int, guess: str | None, line: int | None = None
    ) -> None:
        at = f"line {line} " if line is not None else ""
        but = f"; it looks like {guess}" if guess else ""
        super().__init__(source, f"{at}is not UTF-8 text: byte {byte:#04x} at offset {offset}{but}")
        self.byte, self.offset, self.guess, self.line = byte, offset, guess, line


class TextTooShort(InputError):
    """A text has too few tokens: the protocol would score none of them."""

    def __init__(self, source: str | Path, n_tokens: int, protocol: str, n_needed: int) -> None:
        needs = f"the {protocol} protocol needs at least {n_needed}"
        super().__init__(source, f"has {n_tokens} tokens; {needs}")
        self.n_tokens, self.n_needed = n_tokens, n_needed


class PromptTooLong(UsageError):
    """A prompt does not fit in the context with one new token. index: in the list of prompts."""

    def __init__(self, n_prompt_tokens: int, n_ctx: int, index: int = 0) -> None:
        room = f"the context of this model holds {n_ctx}, including at least one new token"
        super().__init__(f"the prompt has {n_prompt_tokens} tokens, but {room}")
        self.n_prompt_tokens, self.n_ctx, self.index = n_prompt_tokens, n_ctx, index


class AlreadyInstalled(UsageError):
    """A checkpoint with this name (MODEL@STEP) is installed, and `replace` was not set."""

    def __init__(self, checkpoint: object) -> None:
        super().__init__(f"{checkpoint} is already installed")
        self.checkpoint = checkpoint


class UnsupportedModel(UsageError):
    """config.json describes a model that this engine cannot run; `field` is the reason.

    model: the Pythia of whose name it is, if it only has another shape than that; else None.
    """

    def __init__(
        self, source: str | Path, field: str, value: object, expected: str, model: str | None = None
    ) -> None:
        super().__init__(f"{source}: {field} is {value!r}; expected {expected}")
        self.field, self.value, self.expected, self.model = field, value, expected, model


class NotFound(PythiaError):
    """There is no such file, name or installed checkpoint."""


class UnknownName(NotFound):
    """No model or checkpoint has this name. Carries the nearest existing names."""

    def __init__(self, kind: str, name: str, nearest: list[str]) -> None:
        guess = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"unknown {kind} {name!r}{guess}")
        self.name, self.nearest = name, nearest


class NotInstalled(NotFound):
    """The checkpoint is not in the store. downloadable: the Hub has the model."""

    def __init__(self, model: str, step: int, *, downloadable: bool) -> None:
        super().__init__(f"{model}@{step} is not in the store")
        if downloadable:
            self.add_note(f'pythia_cli.install("{model}", {step}) fetches it')
        self.model, self.step, self.downloadable = model, step, downloadable


class NoFloatWeights(NotFound):
    """The float checkpoint of an int8 file was not kept, was removed or has changed.

    folder: where it was; None if it was not kept.
    """

    def __init__(self, checkpoint: object, reason: str, folder: Path | None = None) -> None:
        super().__init__(f"the float checkpoint that {checkpoint} was made from {reason}")
        self.checkpoint, self.folder = checkpoint, folder


class NoByteParts(NotFound):
    """The int8 file was made by an earlier version, which knew precision "exact" only."""

    def __init__(self, checkpoint: object) -> None:
        super().__init__(
            f"{checkpoint} was quantized by an earlier version, without precision fast"
        )
        self.checkpoint = checkpoint


class NotOnHub(NotFound):
    """The Hub has no such repository, branch or file, or the branch is empty.

    checkpoint: the requested one. problem: a reported problem of its branch, or None.
    """

    def __init__(self, what: str, *, checkpoint: object = None, problem: str | None = None) -> None:
        super().__init__(what)
        self.checkpoint, self.problem = checkpoint, problem


class NotCached(NotFound):
    """We are offline, and the file is not in the Hugging Face cache."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not in the Hugging Face cache, and we are offline")


class NetworkError(PythiaError):
    """The Hub does not answer, or its answer is invalid. A retry may help."""


class Unreachable(NetworkError):
    """No connection to the Hub."""


class Offline(NetworkError):
    """HF_HUB_OFFLINE forbids the network."""


class RateLimited(NetworkError):
    """The Hub asks for a pause, in seconds, that is longer than we wait."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what}: too many requests; the Hub asks for a pause of {seconds:.0f} s")
        self.seconds = seconds


class NotAHub(NetworkError):
    """The server at the Hub's address is not a Hugging Face Hub. reason: how that shows."""

    def __init__(self, endpoint: str, reason: str = "") -> None:
        what = f"the server at {endpoint} is not a Hugging Face Hub"
        super().__init__(f"{what}: {reason}" if reason else what)
        self.endpoint = endpoint


class NotAuthorised(PythiaError):
    """The Hub requires a login (status 401), or this account has no access (403)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class IntegrityError(PythiaError):
    """Damaged or malformed data. The reason names the tensor or field, and what is wrong."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class DamagedCheckpoint(IntegrityError):
    """A file of an installed checkpoint (MODEL@STEP) is damaged or missing."""

    def __init__(self, path: str | Path, reason: str, checkpoint: object) -> None:
        super().__init__(path, reason)
        self.checkpoint = checkpoint


class DamagedActive(IntegrityError):
    """The file that names the active checkpoint is damaged."""


class DamagedDownload(IntegrityError):
    """A downloaded or cached file differs from what the Hub describes, or cannot be verified."""


class NewerFormat(IntegrityError):
    """Written by a newer version of pythia, in a format that this one cannot read."""


class UnsafeFile(IntegrityError):
    """Refused: reading the file could run code, or it leads outside the checkpoint's folder."""


class ResourceError(PythiaError):
    """Not enough disk space or memory, or no permission."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class NoRoom(ResourceError):
    """The disk has too little space. n_bytes: needed; free: available, both in bytes."""

    def __init__(self, path: str | Path, what: str, n_bytes: float, free: float) -> None:
        needed, left = f"{n_bytes / 1e6:,.0f} MB", f"{free / 1e6:,.0f} MB"
        super().__init__(path, f"{what} needs {needed}, and {left} are free")
        self.n_bytes, self.free = n_bytes, free


class StoreNotWritable(ResourceError):
    """The store cannot be written."""


class LockTimeout(PythiaError):
    """Another process held the lock for longer than we wait, in seconds."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} is still in use by another pythia process after {seconds:.0f} s")
        self.what, self.seconds = what, seconds
