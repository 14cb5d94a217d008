"""What a sweep keeps beside its plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.errors import IntegrityError
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.kept_options import KeptOptions, keep_options, read_kept_options


def test_they_are_read_as_they_were_kept(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "run")
    assert read_kept_options(folder) == KeptOptions()
    keep_options(folder, KeptOptions())
    assert not folder.path.exists()
    keep_options(folder, KeptOptions("20GB", "/text.txt"))
    assert read_kept_options(folder) == KeptOptions("20GB", "/text.txt")
    keep_options(folder, KeptOptions())
    assert read_kept_options(folder) == KeptOptions()


@pytest.mark.parametrize("content", ["{", "[]", '{"colour": "red"}', '{"keep_under": 3}'])
def test_a_damaged_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "how.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"how\.json"):
        read_kept_options(SweepFolder(tmp_path))
