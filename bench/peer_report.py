"""Turns the figures of all rounds into medians, ratios, targets and tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

OURS, FAST, LLAMA, MACHINE = "pythia", "pythia-fast", "llama.cpp", "machine"

UNITS = {
    "decode": "tokens/s",
    "decode_1900": "tokens/s",
    "decode_100": "tokens/s",
    "score_512": "tokens/s",
    "prefill_512": "tokens/s",
    "samples_4": "tokens/s",
    "short_texts": "texts/s",
    "kl_demo": "1e-4 nats",
    "cold_first_token": "s",
    "peak_mib": "MiB",
    "first_run_seconds": "s more",
    "read_gb_per_second": "GB/s",
    "exact_peak": "G products/s",
}
SMALLER_IS_BETTER = {"cold_first_token", "peak_mib", "kl_demo"}

Figures = dict[str, dict[str, list[float]]]
"""Engine -> figure -> one value a round."""


class Bar(NamedTuple):
    """A target that we set ourselves; `value` is None if its figures were not measured."""

    name: str
    value: float | None
    sign: str
    bound: float
    against: str

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.bound if self.sign == ">=" else self.value <= self.bound

    def __str__(self) -> str:
        if self.value is None:
            return f"not measured: {self.name} {self.sign} {self.bound:g}"
        word = "met" if self.met else "NOT MET"
        return f"{word:8}{self.name} {self.value:.2f} {self.sign} {self.bound:g}  ({self.against})"


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' ratios. Within a round, the machine's speed changes least."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def best_peer(figures: Figures, figure: str, prefix: str = "") -> str | None:
    """The peer with the best median, among those whose name starts with `prefix`."""
    medians = {
        name: statistics.median(taken[figure])
        for name, taken in figures.items()
        if name not in (OURS, FAST) and name.startswith(prefix) and figure in taken
    }
    choose = min if figure in SMALLER_IS_BETTER else max
    return choose(medians, key=lambda name: medians[name], default=None)


def bars(figures: Figures, work: dict[str, int]) -> list[Bar]:
    """work: what pythia does for a token, as peer_ours.Engine.work."""
    ours = figures[OURS]

    def peer(figure: str, sign: str, bound: float, prefix: str = "", engine: str = OURS) -> Bar:
        name = best_peer(figures, figure, prefix)
        taken = figures[engine].get(figure)
        value = ratio(taken, figures[name][figure]) if name and taken else None
        return Bar(f"{figure} of {engine} / peer's", value, sign, bound, name or "no peer")

    def share(figure: str, capacity: str, engine: str) -> Bar:
        """Of what can be done at most, measured in the same round as a figure of this engine."""
        giga = figures[engine].get(capacity)
        most = giga and [n * 1e9 / work[figure] for n in giga]
        return Bar(f"{figure} / {capacity}", most and ratio(ours[figure], most), ">=", 0.85, engine)

    first_run = statistics.median(ours["first_run_seconds"])
    late, samples = ratio(ours["decode_1900"], ours["decode_100"]), ours["samples_4"]
    return [
        peer("decode", ">=", 1.25),
        share("decode", "read_gb_per_second", OURS),
        peer("score_512", ">=", 1.35, engine=FAST),
        peer("prefill_512", ">=", 1.35, engine=FAST),
        share("score_512", "exact_peak", MACHINE),
        share("prefill_512", "exact_peak", MACHINE),
        peer("short_texts", ">=", 1.3, engine=FAST),
        peer("short_texts", ">=", 0.75),
        peer("kl_demo", "<=", 1.0, LLAMA, engine=FAST),
        Bar("kl_demo", ours.get("kl_demo", [None])[0], "<=", 1.33, OURS),
        Bar("decode_1900 / decode_100", late, ">=", 0.80, OURS),
        peer("cold_first_token", "<=", 0.9, LLAMA),
        peer("peak_mib", "<=", 0.7, LLAMA),
        Bar("samples_4 / decode", ratio(samples, ours["decode"]), ">=", 2.7, OURS),
        Bar("first_run_seconds", first_run, "<=", 25, OURS),
    ]


def summary(figures: Figures) -> dict[str, dict[str, dict[str, Any]]]:
    """Engine -> figure -> median, min, max, rounds, and `ours_to_this` if both measured it."""

    def of(figure: str, values: list[float]) -> dict[str, Any]:
        entry = {
            "median": statistics.median(values),
            "min": min(values),
            "max": max(values),
            "rounds": values,
        }
        if figure in figures[OURS]:
            entry["ours_to_this"] = ratio(figures[OURS][figure], values)
        return entry

    return {
        engine: {figure: of(figure, values) for figure, values in taken.items()}
        for engine, taken in figures.items()
    }


def lines(record: dict[str, Any]) -> Iterator[str]:
    """The table for people: one line for each figure and engine, then the targets."""
    for figure, unit in UNITS.items():
        for engine, taken in record["engines"].items():
            if figure in taken:
                entry = taken[figure]
                show = _format(entry["median"])
                spread = f"[{show(entry['min'])} .. {show(entry['max'])}]"
                line = f"{figure:19}{engine:15}{show(entry['median']):>8}  {spread:20} {unit:10}"
                if engine != OURS and "ours_to_this" in entry:
                    line += f"ours / this {entry['ours_to_this']:.2f}"
                yield line.rstrip()
    yield ""
    for bar in record["bars"]:
        yield str(Bar(*(bar[field] for field in Bar._fields)))


def markdown(record: dict[str, Any]) -> str:
    """Markdown: medians for each engine, the targets, and the versions."""
    engines = list(record["engines"])
    rows = [["", *engines], ["---"] * (len(engines) + 1)]
    for figure, unit in UNITS.items():
        taken = [record["engines"][engine].get(figure) for engine in engines]
        if any(taken):
            cells = [_format(e["median"])(e["median"]) if e else "" for e in taken]
            rows.append([f"`{figure}`, {unit}", *cells])
    rows += [[], ["bar", "value", "bound", "against", "met"], ["---"] * 5]
    for bar in record["bars"]:
        value = "" if bar["value"] is None else f"{bar['value']:.2f}"
        met = {True: "yes", False: "**no**", None: "not measured"}[bar["met"]]
        rows.append([bar["name"], value, f"{bar['sign']} {bar['bound']:g}", bar["against"], met])
    table = "\n".join("| " + " | ".join(row) + " |" if row else "" for row in rows)
    versions = "; ".join(
        f"{engine}: {', '.join(f'{name} {v}' for name, v in sorted(of.items()))}"
        for engine, of in record["versions"].items()
        if of
    )
    return (
        f"{record['date']}, {record['threads']} threads of {record['cpu']}; medians of"
        f" {record['rounds']} rounds, engines in turn. Written by `{record['command']}`.\n\n"
        f"{table}\n\n"
        f"Versions of {versions}.\n"
    )


def _format(like: float) -> Callable[[float], str]:
    """A function that formats numbers of this size, to about three digits."""
    n_decimals = 2 if like < 10 else 1 if like < 100 else 0
    return lambda value: f"{value:.{n_decimals}f}"
