"""What there is to fetch for a checkpoint: its revision, its files, and where each comes from."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.float_checkpoint import INDEX_FILES, PREFERENCE
from pythia_cli.checkpoints.hub import Revision
from pythia_cli.checkpoints.int8_file import data_bytes
from pythia_cli.checkpoints.publish import check_room
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NetworkError, NotAuthorised, NotFound, PythiaError
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import known_problem
from pythia_cli.suite.models import MODELS, repository

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"
_SHARDS = {
    INDEX_FILES[0]: re.compile(r"model-\d+-of-\d+\.safetensors"),
    INDEX_FILES[1]: re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}
_N_ASKING = 8  # revisions resolved at a time


@dataclass(frozen=True)
class Wanted:
    """A checkpoint to be fetched: from which revision, which files, and where each comes from."""

    checkpoint: Checkpoint
    revision: Revision
    weights: tuple[str, ...]
    tokenizer_from: Revision
    cached: Mapping[str, Path]
    """What the user's Hugging Face cache has already."""
    offline: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All the files that are read."""
        return (_CONFIG, _TOKENIZER, *self.weights)

    @property
    def n_fetch(self) -> int:
        """How many bytes have to be fetched."""
        return sum(self.origin(n).files[n].size for n in self.names if n not in self.cached)

    def origin(self, name: str) -> Revision:
        """The revision that a file is taken from."""
        return self.tokenizer_from if name == _TOKENIZER else self.revision

    @property
    def sha256(self) -> dict[str, str | None]:
        """What the Hub states for each weights file."""
        return {name: self.revision.files[name].sha256 for name in self.weights}


def look_up(checkpoint: Checkpoint, *, offline: bool = False) -> Wanted:
    """Resolve a checkpoint's branch. Raises as hub.resolve, and NotFound where it is empty."""
    repo = repository(checkpoint.model)
    if repo is None:
        raise NotFound(
            f"{checkpoint.model} is not on the Hub",
            hint=f"pythia download --from FOLDER -m {checkpoint.model} -c {checkpoint.step}",
        )
    resolve = hub.resolve_offline if offline else hub.resolve
    revision = resolve(repo, checkpoint.revision)
    choices = list(weights_of(revision))
    if not choices:
        raise NotFound(f"{revision} holds no weights", hint=_about(checkpoint))
    weights = next((w for w in choices if all(hub.cached(revision, n) for n in w)), choices[0])
    # Some branches have no tokenizer of their own; a model has but one.
    tokenizer_from = revision if _TOKENIZER in revision.files else resolve(repo, "main")
    if _CONFIG not in revision.files or _TOKENIZER not in tokenizer_from.files:
        raise NotFound(f"{revision} lacks {_CONFIG} or {_TOKENIZER}", hint=_about(checkpoint))
    wanted = Wanted(checkpoint, revision, weights, tokenizer_from, {}, offline)
    cached = {n: path for n in wanted.names if (path := hub.cached(wanted.origin(n), n))}
    return dataclasses.replace(wanted, cached=cached)


def look_up_all(
    checkpoints: list[Checkpoint], *, offline: bool = False
) -> dict[Checkpoint, Wanted | PythiaError]:
    """look_up for many, several at a time; what it raises for one is that one's value.

    Without a network, or a login that is asked for, one has asked for all.
    """
    for_all: list[PythiaError] = []

    def one(checkpoint: Checkpoint) -> Wanted | PythiaError:
        if for_all:
            return for_all[0]
        try:
            return look_up(checkpoint, offline=offline)
        except PythiaError as error:
            if isinstance(error, NetworkError | NotAuthorised):
                for_all.append(error)
            return error

    with ThreadPoolExecutor(_N_ASKING) as pool:
        return dict(zip(checkpoints, pool.map(one, checkpoints), strict=True))


def weights_of(revision: Revision) -> Iterator[tuple[str, ...]]:
    """The files of each form in which a revision holds its weights, the best form first."""
    for name in PREFERENCE:
        if name in revision.files:
            pattern = _SHARDS.get(name)
            shards = sorted(n for n in revision.files if pattern and pattern.fullmatch(n))
            yield (name, *shards)


def _about(checkpoint: Checkpoint) -> str:
    problem = known_problem(checkpoint)
    return f"another step; {problem}" if problem else "another step (checkpoint list --available)"


def check_disk(store: Store, wanted: list[Wanted], *, keep_original: bool) -> None:
    """Raises ResourceError where the store's disk cannot hold what is made, or made along the way.

    At most two float checkpoints lie there at a time, where none is kept.
    """
    fetched = [w.n_fetch for w in wanted]
    floats = max((a + b for a, b in zip(fetched, [*fetched[1:], 0], strict=True)), default=0)
    if keep_original:
        floats = sum(w.origin(n).files[n].size for w in wanted for n in w.names)
    made = sum(data_bytes(MODELS[w.checkpoint.model]) for w in wanted)
    what = str(wanted[0].checkpoint) if len(wanted) == 1 else f"{len(wanted)} checkpoints"
    check_room(store.folder, floats + made, f"installing {what}")


def same_weights(store: Store, wanted: list[Wanted]) -> Iterator[tuple[Wanted, Checkpoint]]:
    """Those whose weights are the same files as another's, installed or wanted before, and its."""
    known: dict[frozenset[str], list[Checkpoint]] = {}
    for installed in store.installed():
        with contextlib.suppress(PythiaError, KeyError, TypeError, AttributeError):
            files = frozenset(installed.manifest["source"]["files"].values())
            known.setdefault(files, []).append(installed.checkpoint)
    for one in wanted:
        hashes = [digest for digest in one.sha256.values() if digest is not None]
        others = known.setdefault(frozenset(hashes), [])
        yield from ((one, other) for other in others if hashes and other != one.checkpoint)
        others.append(one.checkpoint)
