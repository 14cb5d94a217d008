"""Options of Slurm jobs: names, times, and what is none."""

from __future__ import annotations

import pytest

from pythia_cli.errors import InvalidValue
from pythia_cli.sweeps.slurm_options import SlurmOptions, minutes_of


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        ("90", 90),
        (5, 5),
        ("90:00", 90),
        ("0:30", 1),
        ("2:00:00", 120),
        ("2:00:01", 121),
        ("1-12", 36 * 60),
        ("1-12:30", 36 * 60 + 30),
        ("1-12:30:00", 36 * 60 + 30),
    ],
)
def test_time_as_sbatch_takes_it(given: object, minutes: int) -> None:
    assert minutes_of(given) == minutes


@pytest.mark.parametrize("given", ["", "an hour", "1:2:3:4", "-5", "1h"])
def test_what_is_no_time(given: str) -> None:
    with pytest.raises(InvalidValue, match="minutes"):
        minutes_of(given)


def test_options() -> None:
    options = SlurmOptions.of(
        {"partition": "cpu", "time": "2:00:00", "cpus": "8", "mem-per-cpu": "2G", "array": "20"}
    )
    assert (options.array, options.cpus) == (20, 8)
    assert options.parameters == {
        "job_name": "pythia-sweep",
        "signal_delay_s": 90,
        "partition": "cpu",
        "time": 120,
        "cpus_per_task": 8,
        "additional_parameters": {"requeue": True, "mem_per_cpu": "2G"},
    }


def test_an_unknown_option_names_those_that_are_known() -> None:
    with pytest.raises(InvalidValue, match=r"'partitoin'; expected one of account, array, .*qos"):
        SlurmOptions.of({"partitoin": "cpu"})
    with pytest.raises(InvalidValue, match="whole number"):
        SlurmOptions.of({"array": "all"})
