"""What the environment says, and how many threads a machine is worth."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pythia_cli import settings
from pythia_cli.errors import UsageError


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("PYTHIA_HOME", settings.store_folder), ("PYTHIA_CACHE", settings.cache_folder)],
)
def test_folders_come_from_the_environment_or_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, folder: object
) -> None:
    assert callable(folder)
    monkeypatch.setenv(variable, str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, "~/here")
    assert folder() == tmp_path / "here"
    for unset in ("", None):
        monkeypatch.delenv(variable) if unset is None else monkeypatch.setenv(variable, unset)
        assert folder().is_absolute()
        assert "pythia" in folder().parts


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", "7")
    assert settings.n_threads() == 7


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "0x2", " ", "\N{SUPERSCRIPT TWO}"])
def test_a_number_of_threads_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", text)
    with pytest.raises(UsageError, match="PYTHIA_THREADS"):
        settings.n_threads()


@pytest.mark.parametrize("text", [None, ""])
def test_by_default_threads_are_within_affinity(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", text) if text is not None else monkeypatch.delenv(
        "PYTHIA_THREADS", raising=False
    )
    assert 1 <= settings.n_threads() <= len(settings._affinity()) <= (os.cpu_count() or 1)


def test_threads_are_the_least_of_cores_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_physical_cores", lambda cpus: 6)
    for quota, n_threads in ((4, 4), (9, 6), (1, 1)):
        monkeypatch.setattr(settings, "_cgroup_cpus", lambda quota=quota: quota)
        assert settings.n_threads() == n_threads


def test_cpus_without_a_topology_count_as_cores() -> None:
    assert settings._physical_cores([100_001, 100_002, 100_003]) == 3


def test_a_quota_of_cgroup_v2_is_the_least_on_the_way_up(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "a" / "cpu.max").write_text("250000 100000\n")
    (inner / "cpu.max").write_text("400000 100000\n")
    assert sorted(settings._cgroup_v2_quotas(tmp_path, "/a/b")) == [2.5, 4.0]
    assert settings._cgroup_v2_quotas(tmp_path, "/") == []
    (inner / "cpu.max").write_text("nonsense\n")
    assert settings._cgroup_v2_quotas(tmp_path, "/a/b") == [2.5]


def test_a_quota_of_cgroup_v1_is_the_nearest(tmp_path: Path) -> None:
    def limit(folder: Path, quota: int) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text("100000\n")

    assert settings._cgroup_v1_quotas(tmp_path, "/a") == []
    limit(tmp_path, 300_000)
    assert settings._cgroup_v1_quotas(tmp_path, "/a") == [3.0]
    limit(tmp_path / "a", -1)
    assert settings._cgroup_v1_quotas(tmp_path, "/a") == []
    limit(tmp_path / "a", 150_000)
    assert settings._cgroup_v1_quotas(tmp_path, "/a") == [1.5]


@pytest.mark.parametrize(("quota", "cpus"), [(0.5, 1), (1.0, 1), (2.5, 3)])
def test_a_fraction_of_a_cpu_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, quota: float, cpus: int
) -> None:
    for function in ("_cgroup_v1_quotas", "_cgroup_v2_quotas"):
        monkeypatch.setattr(settings, function, lambda root, path: [quota])
    monkeypatch.setattr(Path, "read_text", lambda path: "0::/x\n4:cpu,cpuacct:/x\n3:memory:/x\n")
    assert settings._cgroup_cpus() == cpus


def test_a_system_without_cgroups_has_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert settings._cgroup_cpus() > 10_000


@pytest.mark.parametrize(("text", "debug"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_debugging_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, text: str | None, debug: bool
) -> None:
    if text is None:
        monkeypatch.delenv("PYTHIA_DEBUG", raising=False)
    else:
        monkeypatch.setenv("PYTHIA_DEBUG", text)
    assert settings.debug() is debug
