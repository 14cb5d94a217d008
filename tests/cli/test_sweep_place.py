"""--slurm KEY=VALUE,..., and what --on does not go with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.cli.app import run
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.sweep_place import slurm_options


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], {}),
        (["partition=cpu,time=2:00:00"], {"partition": "cpu", "time": "2:00:00"}),
        (["cpus=8", "cpus=4,array=2"], {"cpus": "4", "array": "2"}),
        (["nodelist=n1,n2,mem=4G"], {"nodelist": "n1,n2", "mem": "4G"}),
        (["setup=module load a,b", "setup=export A=1,B=2"],
         {"setup": ["module load a,b", "export A=1,B=2"]}),
    ],
)  # fmt: skip
def test_options_of_slurm(given: list[str], found: dict[str, object]) -> None:
    assert slurm_options(given) == found


@pytest.mark.parametrize("given", ["", "cpu", "=cpu", "cpu,time=5"])
def test_what_sets_no_option(given: str) -> None:
    with pytest.raises(CommandError, match="sets no option of Slurm"):
        slurm_options([given])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--slurm", "time=5"), "--slurm without --on slurm; try: --on slurm"),
        (("--detach",), "--detach without --on slurm"),
        (("--on", "slurm", "--shard", "1/2"), "--shard and --on exclude each other"),
        (("--on", "pbs"), "--on is 'pbs'; expected slurm, or dask=tcp://HOST:PORT"),
        (("--on", "slurm", "--slurm", "queue=a"), "--slurm is 'queue'; expected one of account"),
        (("--on", "dask=tcp://a:1", "--detach"), "detach is for a sweep that runs on Slurm"),
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("It was not a small one.")
    assert run(["sweep", str(tmp_path / "a"), "-m", "demo", "--perplexity", str(text), *more]) == 2
    assert message in capsys.readouterr().err
