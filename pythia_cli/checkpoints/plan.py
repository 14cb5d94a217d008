"""Plans what to fetch for a checkpoint: its revision, its files, and where each comes from."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli import settings
from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.hub_fetch import described
from pythia_cli.checkpoints.hub_revision import Revision
from pythia_cli.checkpoints.room import check_room
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import NetworkError, NotAuthorised, NotOnHub, PythiaError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import known_problem, report_lines
from pythia_cli.suite.models import MODELS, repository
from pythia_cli.weights.float_checkpoint import INDEX_FILES, PREFERENCE
from pythia_cli.weights.int8_layout import data_bytes

_CONFIG, _TOKENIZER = "config.json", "tokenizer.json"
_SHARDS = {
    INDEX_FILES[0]: re.compile(r"model-\d+-of-\d+\.safetensors"),
    INDEX_FILES[1]: re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
}


@dataclass(frozen=True, repr=False)
class FetchPlan:
    """What to fetch for a checkpoint: revision, names of the weights files, and cached files."""

    checkpoint: Checkpoint
    revision: Revision
    weights: tuple[str, ...]
    tokenizer_from: Revision
    cached: Mapping[str, Path]
    """Files that are already in the user's Hugging Face cache."""
    offline: bool

    def __repr__(self) -> str:
        return f"FetchPlan({self.checkpoint} from {self.revision}, {self.n_bytes:,} bytes)"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files: config, tokenizer and weights."""
        return (_CONFIG, _TOKENIZER, *self.weights)

    @property
    def not_cached(self) -> list[str]:
        """The names of the files to fetch."""
        return [name for name in self.names if name not in self.cached]

    @property
    def n_bytes(self) -> int:
        """The number of bytes to fetch."""
        return sum(self.size(name) for name in self.not_cached)

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        return self.origin(name).files[name].size

    def digest(self, name: str) -> str:
        """The hash of a file that the Hub states. Raises DamagedDownload if it states none."""
        return str(described(self.origin(name), name).digest)

    def origin(self, name: str) -> Revision:
        """The revision that a file comes from."""
        return self.tokenizer_from if name == _TOKENIZER else self.revision

    @property
    def sha256(self) -> dict[str, str | None]:
        """The sha256 of each weights file, as stated by the Hub."""
        return {name: self.revision.files[name].sha256 for name in self.weights}

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the files and their sizes in bytes, and which are already cached."""
        return {
            **self.checkpoint.to_dict(),
            "repo": self.revision.repo,
            "answered_by": self.revision.answered_by,
            "commit": self.revision.commit,
            "files": {name: self.size(name) for name in self.names},
            "cached": sorted(self.cached),
            "n_bytes_to_fetch": self.n_bytes,
        }


def plan_fetch(
    checkpoint: Checkpoint, *, offline: bool = False, reporter: Reporter = SILENT
) -> FetchPlan:
    """Resolve a checkpoint's branch and choose its files.

    offline: look only in the Hugging Face cache. Raises what hub.resolve and hub.resolve_offline
    raise, and NotOnHub if the branch has no weights, config.json or tokenizer.json.
    """
    try:
        return _plan(checkpoint, offline, reporter)
    except NotOnHub as error:
        problem = known_problem(checkpoint)
        raise NotOnHub(str(error), checkpoint=checkpoint, problem=problem) from None


def plan_fetches(
    checkpoints: Sequence[Checkpoint], *, offline: bool = False, reporter: Reporter = SILENT
) -> dict[Checkpoint, FetchPlan | PythiaError]:
    """plan_fetch for many checkpoints, several at a time. A checkpoint's error is its value.

    offline: as in plan_fetch; HF_HUB_OFFLINE has the same effect. A NetworkError or NotAuthorised
    ends the requests, and is the value of the remaining checkpoints too. Raises BadEnvironment if
    the Hub's address or another setting of the network cannot be used.
    """
    settings.check_hub_variables()
    offline = offline or hub.is_offline()
    for_all: list[PythiaError] = []

    def one(checkpoint: Checkpoint) -> FetchPlan | PythiaError:
        if for_all:
            return for_all[0]
        try:
            return plan_fetch(checkpoint, offline=offline, reporter=reporter)
        except PythiaError as error:
            if isinstance(error, NetworkError | NotAuthorised):
                for_all.append(error)
            return error

    return dict(zip(checkpoints, hub.ask_several(one, checkpoints), strict=True))


def weights_of(revision: Revision) -> Iterator[tuple[str, ...]]:
    """The weights files of a revision, for each form it has them in; the preferred form first."""
    for name in PREFERENCE:
        if name in revision.files:
            pattern = _SHARDS.get(name)
            shards = sorted(n for n in revision.files if pattern and pattern.fullmatch(n))
            yield (name, *shards)


def check_disk(
    store: Store, plans: Sequence[FetchPlan], kept: Sequence[int], *, keep_original: bool
) -> None:
    """Raises NoRoom if the store's disk has too little space to carry out these plans.

    At most two float checkpoints are on the disk at a time, unless they are kept. kept: the bytes
    of each plan that are in the store already.
    """
    fetched = [plan.n_bytes - n_bytes for plan, n_bytes in zip(plans, kept, strict=True)]
    floats = max((a + b for a, b in zip(fetched, [*fetched[1:], 0], strict=True)), default=0)
    if keep_original:
        floats = sum(plan.size(name) for plan in plans for name in plan.names) - sum(kept)
    made = sum(data_bytes(MODELS[plan.checkpoint.model]) for plan in plans)
    what = str(plans[0].checkpoint) if len(plans) == 1 else f"{len(plans)} checkpoints"
    check_room(store.folder, floats + made, f"installing {what}")


def doubts(store: Store, plans: Sequence[FetchPlan]) -> Iterator[str]:
    """Problems that are visible before fetching, one line each.

    These are what is reported of a model or its branches, an answer for another repository, and
    weights equal to those of another checkpoint.
    """
    yield from report_lines(plan.checkpoint for plan in plans)
    yield from redirections(plans)
    for plan, equal in same_weights(store, plans):
        yield f"{plan.revision}: {plan.weights[0]} is the same file as in {equal}"


def redirections(plans: Sequence[FetchPlan]) -> Iterator[str]:
    """Answers of the Hub for another repository than was asked for, one line each."""
    for repo, other in dict.fromkeys((p.revision.repo, p.revision.answered_by) for p in plans):
        if other is not None:
            yield f"{repo}: the Hub answered for {other}; that is what is fetched and recorded"


def same_weights(
    store: Store, plans: Sequence[FetchPlan]
) -> Iterator[tuple[FetchPlan, Checkpoint]]:
    """Pairs of a plan and another checkpoint that has the same weights files.

    The other checkpoint is installed, or comes earlier in the plans.
    """
    known: dict[frozenset[str], list[Checkpoint]] = {}
    for installed in store.installed():
        with contextlib.suppress(PythiaError, KeyError, TypeError, AttributeError):
            files = frozenset(installed.manifest["source"]["files"].values())
            known.setdefault(files, []).append(installed.checkpoint)
    for plan in plans:
        hashes = [digest for digest in plan.sha256.values() if digest is not None]
        others = known.setdefault(frozenset(hashes), [])
        yield from ((plan, other) for other in others if hashes and other != plan.checkpoint)
        others.append(plan.checkpoint)


def _plan(checkpoint: Checkpoint, offline: bool, reporter: Reporter) -> FetchPlan:
    def resolve(repo: str, name: str) -> Revision:
        if offline:
            return hub.resolve_offline(repo, name)
        return hub.resolve(repo, name, reporter=reporter)

    repo = repository(checkpoint.model)
    if repo is None:
        raise NotOnHub(f"{checkpoint.model} is not on the Hub")
    revision = resolve(repo, checkpoint.revision)
    choices = list(weights_of(revision))
    if not choices:
        raise NotOnHub(f"{revision} holds no weights")
    weights = next((w for w in choices if all(hub.cached(revision, n) for n in w)), choices[0])
    # Some branches have no tokenizer; all steps of a model share that of main.
    tokenizer_from = revision if _TOKENIZER in revision.files else resolve(repo, "main")
    if _CONFIG not in revision.files or _TOKENIZER not in tokenizer_from.files:
        raise NotOnHub(f"{revision} lacks {_CONFIG} or {_TOKENIZER}")
    plan = FetchPlan(checkpoint, revision, weights, tokenizer_from, {}, offline)
    for name in plan.names:
        plan.digest(name)  # what cannot be verified is refused before anything is fetched
    cached = {n: path for n in plan.names if (path := hub.cached(plan.origin(n), n))}
    return dataclasses.replace(plan, cached=cached)
