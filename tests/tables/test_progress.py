"""What an earlier run was asked for, by the files beside its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.errors import IntegrityError
from pythia_cli.tables.progress import META, UNFINISHED, TableProgress, earlier_identity


def test_the_identity_of_an_earlier_run(tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    assert earlier_identity(out, may_be_whole=True) == {}
    TableProgress({"seed": 1}, {}).write(Path(f"{out}{META}"))
    assert earlier_identity(out, may_be_whole=True) == {"seed": 1}
    assert earlier_identity(out, may_be_whole=False) == {}
    TableProgress({"seed": 2}, {}).write(Path(f"{out}{UNFINISHED}"))
    for may_be_whole in (False, True):
        assert earlier_identity(out, may_be_whole=may_be_whole) == {"seed": 2}


def test_of_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    link, out = tmp_path / "link.tsv", tmp_path / "out.tsv"
    TableProgress({"seed": 2}, {}).write(Path(f"{out}{UNFINISHED}"))
    link.symlink_to(out)
    assert earlier_identity(link, may_be_whole=False) == {"seed": 2}


def test_a_file_that_is_no_progress(tmp_path: Path) -> None:
    (tmp_path / f"out{META}").write_text('{"version": 0}')
    with pytest.raises(IntegrityError):
        earlier_identity(tmp_path / "out", may_be_whole=True)
