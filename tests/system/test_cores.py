"""How many threads a machine is worth: fast physical cores, within affinity and quota."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pythia_cli.system import cores


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", "7")
    assert cores.n_threads() == 7


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty /sys/devices."""
    monkeypatch.setattr(cores, "_SYSTEM", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def add_cpu(system: Path, cpu: int, siblings: str, capacity: int | None = None) -> None:
    folder = system / f"system/cpu/cpu{cpu}"
    (folder / "topology").mkdir(parents=True)
    (folder / "topology/thread_siblings_list").write_text(f"{siblings}\n")
    if capacity is not None:
        (folder / "cpu_capacity").write_text(f"{capacity}\n")


def allow(monkeypatch: pytest.MonkeyPatch, *cpus: int) -> None:
    monkeypatch.setattr(cores, "_affinity", lambda: list(cpus))


@pytest.mark.parametrize(
    ("capacities", "n_cores"),
    [
        ((1024, 1024, 1024, 1024), 4),
        ((446, 446, 446, 446, 1024, 1024), 2),  # two sizes
        ((250, 250, 250, 250, 620, 620, 1024, 1024), 4),  # three: only the least is left out
        ((446, 446), 2),  # no other core may be used
    ],
)
def test_efficiency_cores_of_arm_are_not_counted(
    system: Path, monkeypatch: pytest.MonkeyPatch, capacities: tuple[int, ...], n_cores: int
) -> None:
    for cpu, capacity in enumerate(capacities):
        add_cpu(system, cpu, str(cpu), capacity)
    allow(monkeypatch, *range(len(capacities)))
    assert cores._cores() == n_cores


@pytest.mark.parametrize(
    ("allowed", "n_cores"),
    [
        (range(12), 4),  # four performance cores of two CPUs each, four efficiency cores
        (range(6), 3),
        ((0, 2, 8, 9), 2),
        (range(8, 12), 4),  # efficiency cores only
    ],
)
def test_efficiency_cores_of_intel_are_not_counted(
    system: Path, monkeypatch: pytest.MonkeyPatch, allowed: Any, n_cores: int
) -> None:
    for cpu in range(8):
        add_cpu(system, cpu, f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}")
    for cpu in range(8, 12):
        add_cpu(system, cpu, str(cpu))
    (system / "cpu_core").mkdir()
    (system / "cpu_core/cpus").write_text("0-5,6,7\n")
    allow(monkeypatch, *allowed)
    assert cores._cores() == n_cores


@pytest.mark.parametrize("text", ["", "nonsense"])
def test_an_unreadable_list_of_performance_cores_is_ignored(
    system: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (system / "cpu_core").mkdir()
    (system / "cpu_core/cpus").write_text(text)
    allow(monkeypatch, 0, 1, 2)
    assert cores._cores() == 3


@pytest.mark.parametrize(
    ("values", "n_cores"),
    [
        ({b"hw.perflevel0.physicalcpu": 6, b"hw.physicalcpu": 8}, 6),
        ({b"hw.physicalcpu": 4}, 4),  # Intel
        ({}, 12),
    ],
)
def test_macos_is_asked(
    monkeypatch: pytest.MonkeyPatch, values: dict[bytes, int], n_cores: int
) -> None:
    def sysctlbyname(name: bytes, value: Any, *others: Any) -> int:
        value._obj.value = values.get(name, 0)
        return 0 if name in values else -1

    library = SimpleNamespace(sysctlbyname=sysctlbyname)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert cores._cores() == n_cores


def test_a_system_without_affinity_counts_all(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows and macOS have no sched_getaffinity."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for n_cpus, expected in ((3, 3), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda n_cpus=n_cpus: n_cpus)
        assert len(cores._affinity()) == expected


@pytest.mark.parametrize("text", [None, ""])
def test_by_default_threads_are_within_affinity(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", text) if text is not None else monkeypatch.delenv(
        "PYTHIA_THREADS", raising=False
    )
    assert 1 <= cores.n_threads() <= len(cores._affinity()) <= (os.cpu_count() or 1)


def test_threads_are_the_least_of_cores_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_cores", lambda: 6)
    for quota, n_threads in ((4, 4), (9, 6), (1, 1)):
        monkeypatch.setattr(cores, "_cgroup_cpus", lambda quota=quota: quota)
        assert cores.n_threads() == n_threads


def test_cpus_without_a_topology_count_as_cores() -> None:
    assert cores._physical_cores([100_001, 100_002, 100_003]) == 3


def test_a_quota_of_cgroup_v2_is_the_least_on_the_way_up(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "a" / "cpu.max").write_text("250000 100000\n")
    (inner / "cpu.max").write_text("400000 100000\n")
    assert sorted(cores._cgroup_v2_quotas(tmp_path, "/a/b")) == [2.5, 4.0]
    assert cores._cgroup_v2_quotas(tmp_path, "/") == []
    (inner / "cpu.max").write_text("nonsense\n")
    assert cores._cgroup_v2_quotas(tmp_path, "/a/b") == [2.5]


def test_a_quota_of_cgroup_v1_is_the_nearest(tmp_path: Path) -> None:
    def limit(folder: Path, quota: int) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text("100000\n")

    assert cores._cgroup_v1_quotas(tmp_path, "/a") == []
    limit(tmp_path, 300_000)
    assert cores._cgroup_v1_quotas(tmp_path, "/a") == [3.0]
    limit(tmp_path / "a", -1)
    assert cores._cgroup_v1_quotas(tmp_path, "/a") == []
    limit(tmp_path / "a", 150_000)
    assert cores._cgroup_v1_quotas(tmp_path, "/a") == [1.5]


@pytest.mark.parametrize(("quota", "cpus"), [(0.5, 1), (1.0, 1), (2.5, 3)])
def test_a_fraction_of_a_cpu_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, quota: float, cpus: int
) -> None:
    for function in ("_cgroup_v1_quotas", "_cgroup_v2_quotas"):
        monkeypatch.setattr(cores, function, lambda root, path: [quota])
    monkeypatch.setattr(Path, "read_text", lambda path: "0::/x\n4:cpu,cpuacct:/x\n3:memory:/x\n")
    assert cores._cgroup_cpus() == cpus


def test_a_system_without_cgroups_has_no_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert cores._cgroup_cpus() > 10_000
