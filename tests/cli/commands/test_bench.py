"""`pythia bench`: a table for people, a record with provenance; what it times is not asserted."""

from __future__ import annotations

import math
import re

from tests.cli.running import Pythia, error_line, without_model_lines

ONE_ROUND = ("bench", "--rounds", "1")
RATES = (
    "read_gb_per_second", "decode_tokens_per_second", "late_decode_tokens_per_second",
    "together_tokens_per_second", "prefill_tokens_per_second", "score_tokens_per_second",
    "bandwidth_share",
)  # fmt: skip


def test_table(pythia: Pythia) -> None:
    done = pythia(*ONE_ROUND)
    assert without_model_lines(done.err) == []
    title, *lines = done.out.splitlines()
    assert title == "demo step3000, int8, exact, 1 thread, 1 round"
    assert [re.split(r"  +", line)[0] for line in lines] == [
        "reading the weights",
        "decode, 64 tokens after 8",
        "decode, the last 32 of the context",
        "decode, 4 texts together",
        "prefill, 512 tokens",
        "scoring, 512 tokens",
    ]
    ends = {re.search(r"\d  (GB|tokens)/s", line).start() for line in lines}
    assert len(ends) == 1, "the figures stand below one another"
    assert re.search(r"tokens/s, \d+ % of reading the weights$", lines[1])


def test_record(pythia: Pythia) -> None:
    done = pythia(*ONE_ROUND, "--json", "-q", "-t", "2", "-c", "3000")
    record = done.record
    assert done.err == ""
    assert (record["model"], record["checkpoint"]) == ("demo", "step3000")
    assert (record["threads"], record["rounds"]) == (2, 1)
    assert set(record["source"]) == {"repo", "revision", "commit", "sha256"}
    assert set(record["versions"]) == {"pythia", "python", "numpy", "numba", "llvmlite"}
    assert all(math.isfinite(record[name]) and record[name] > 0 for name in RATES)
    read = record["streamed_bytes"] * record["decode_tokens_per_second"]
    assert math.isclose(record["bandwidth_share"], read / record["read_gb_per_second"] / 1e9)


def test_what_is_asked_wrongly(pythia: Pythia) -> None:
    assert "--rounds" in error_line(pythia("bench", "--rounds", "0", status=None), 2)
    assert "did you mean" in error_line(pythia("bench", "-m", "pythia-411m", status=None), 3)
