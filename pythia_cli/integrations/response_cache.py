"""lm-eval's cache of responses, held to one model.

lm-eval keeps responses in an SQLite file, by the request alone. Whose they are is kept in a table
of our own beside them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from pythia_cli import release
from pythia_cli.errors import InputError
from pythia_cli.library.model import Model

_SECONDS = 60.0  # to wait for another process that writes to the file


def identity(model: Model, max_length: int) -> dict[str, Any]:
    """What responses depend on, for JSON. header_sha256 is that of the int8 file, over all of it.

    The int8 file is made from the float weights, so it tells float32 models apart too.
    """
    return {
        **model.provenance(),
        "header_sha256": model.opened.file.header_sha256,
        "max_length": max_length,
        "pythia": release.__version__,
    }


def path_of(folder: str | Path, identity: dict[str, Any]) -> str:
    """The path for lm-eval's `use_cache`; its file is `file_of` that."""
    name = f"{identity['model']}-{identity['checkpoint'] or 'local'}"
    readable = re.sub("[^A-Za-z0-9._-]+", "-", name)[-60:].lstrip("-.")
    digest = hashlib.sha256(_written(identity).encode()).hexdigest()
    return str(Path(folder) / f"{readable}-{digest[:16]}")


def file_of(path: str) -> str:
    """The SQLite file that lm-eval, in one process, makes of such a path."""
    return f"{path}_rank0.db"


def claim(path: str, identity: dict[str, Any]) -> None:
    """Make a cache that is empty this model's.

    Raises InputError if it has responses, and they are those of another identity, or not known to
    be of this one.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_SECONDS, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            n_tables = database.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'pythia'"
            ).fetchone()[0]
            if n_tables == 0:
                if _n_responses(database):
                    raise InputError(path, "is a cache of another program's responses")
                database.execute("CREATE TABLE pythia (identity TEXT)")
                database.execute("INSERT INTO pythia VALUES (?)", (_written(identity),))
            (owner,) = database.execute("SELECT identity FROM pythia").fetchone()
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise InputError(path, f"cannot be used as a cache ({error})") from error
    if owner != _written(identity):
        theirs = json.loads(owner)
        field = next(name for name, value in identity.items() if theirs.get(name) != value)
        raise InputError(
            path, f"is a cache of another model's responses: {field} is {theirs.get(field)!r} there"
        )


def _n_responses(database: sqlite3.Connection) -> int:
    """The number of rows in the tables of the file."""
    names = [
        row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    return sum(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)


def _written(identity: dict[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
