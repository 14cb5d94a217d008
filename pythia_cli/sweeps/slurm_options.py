"""Options of Slurm jobs, under the names of sbatch, as submitit takes them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pythia_cli.errors import InvalidValue

_WARNING_SECONDS = 90
"""Before its time is over a job is warned this early, to be queued again."""

_NAMES = {
    **{
        name: name
        for name in (
            "account", "array_parallelism", "comment", "constraint", "cpus_per_task", "dependency",
            "exclude", "gres", "mail_type", "mail_user", "mem", "nodelist", "partition", "qos",
            "setup", "signal_delay_s", "time",
        )
    },
    "cpus": "cpus_per_task",
    "job_name": "job_name",
    "name": "job_name",
}  # fmt: skip
"""Names that may be given, and what submitit calls them."""

_MORE = {"licenses", "mem_per_cpu", "nice", "reservation"}
"""Options of sbatch that submitit does not know by name."""

_WHOLE = {"array", "array_parallelism", "cpus_per_task", "signal_delay_s"}


@dataclass(frozen=True)
class SlurmOptions:
    """array: how many jobs there are; None: as many as are worth it. cpus: of each, if given.

    parameters: as submitit's SlurmExecutor takes them.
    """

    array: int | None
    cpus: int | None
    parameters: dict[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, object]) -> SlurmOptions:
        """Raises InvalidValue for an unknown name, which names those that are known."""
        array: int | None = None
        parameters: dict[str, Any] = {
            "job_name": "pythia-sweep", "signal_delay_s": _WARNING_SECONDS, "time": 60,
        }  # fmt: skip
        more: dict[str, Any] = {"requeue": True}
        for asked, value in given.items():
            name = asked.replace("-", "_")
            if name == "array":
                array = _whole(name, value)
            elif name in _MORE:
                more[name] = value
            elif name in _NAMES:
                parameters[_NAMES[name]] = _value(_NAMES[name], value)
            else:
                known = ", ".join(sorted({*_NAMES, *_MORE, "array"}))
                raise InvalidValue("slurm", asked, f"one of {known}")
        parameters["additional_parameters"] = more
        return cls(array, parameters.get("cpus_per_task"), parameters)


def _value(name: str, value: object) -> Any:
    if name == "time":
        return minutes_of(value)
    if name == "setup":
        return [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    return _whole(name, value) if name in _WHOLE else value


def _whole(name: str, value: object) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise InvalidValue("slurm", f"{name}={value}", "a whole number, 1 or more")
    return int(text)


_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


def minutes_of(value: object) -> int:
    """Minutes, rounded up, of a time as sbatch takes it: 90, 90:00, 1:30:00, 1-12, 1-12:00:00.

    Raises InvalidValue.
    """
    match = _CLOCK.fullmatch(str(value))
    if match is None:
        raise InvalidValue("slurm", f"time={value}", "minutes, H:MM:SS, or D-HH:MM:SS")
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is not None or len(parts) == 3:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    return max(1, math.ceil(total / 60))
