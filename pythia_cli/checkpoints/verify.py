"""Checks every byte of an installed checkpoint against its hashes."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import InvalidValue, NewerFormat, NotInstalled, PythiaError
from pythia_cli.files.reading import file_sha256
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.system import cores

_OWN_LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def verify(store: Store, checkpoint: Checkpoint, task: Task = NO_TASK) -> list[str]:
    """The problems of a checkpoint, one line each; empty if there are none. `task` counts bytes.

    Raises InvalidValue; NotInstalled, also if it is removed meanwhile; NewerFormat; and
    ResourceError if this process may not open more files or has no memory, which says nothing of
    the checkpoint.
    """
    n_threads = cores.n_threads()
    try:
        opened = open_checkpoint(store, checkpoint, is_use=False)
        file = opened.file
        problems = [f"{name} is damaged" for name in file.damaged_tensors(task, n_threads)]
        if opened.tokenizer_json is None:
            problems.append(f"{file.tokenizer_sha256}.json (its tokenizer) is missing")
        elif hashlib.sha256(opened.tokenizer_json).hexdigest() != file.tokenizer_sha256:
            problems.append(f"{file.tokenizer_sha256}.json (its tokenizer) is damaged")
        else:
            opened.tokenizer().check()
        problems += _damage_of_original(opened.installed, file.source.files, task)
    except (InvalidValue, NotInstalled, NewerFormat):
        raise
    except PythiaError as error:
        if getattr(error.__cause__, "errno", None) in _OWN_LIMITS:
            raise
        return [str(error)]
    return problems


def _damage_of_original(installed: Installed, hashes: dict[str, str], task: Task) -> list[str]:
    """The problems of the float weights, if they were kept in the store."""
    named = installed.manifest["source_folder"]
    if named is None or Path(named).parent != installed.folder.resolve():
        return []
    problems = []
    for name, sha256 in hashes.items():
        path = Path(named) / name
        if not path.exists():
            problems.append(f"{name} (its original) is missing")
        elif not path.is_file():
            problems.append(f"{name} (its original) is not a regular file")
        elif file_sha256(path, task) != sha256:
            problems.append(f"{name} (its original) is damaged")
    return problems
