"""Sets of steps: 0,64,512 or 1000:10000:1000 or log."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pythia_cli.suite.step_sets import parse_steps, words_of
from pythia_cli.suite.steps import steps_of
from tests.fuzz.mutate import NUMBERS, TEXTS, mutated_bytes

_MODELS = ("pythia-14m", "pythia-410m-deduped", "demo", "mine")
_WORDS = (
    "all",
    "log",
    "main",
    "step3000",
    "0",
    "64",
    "143000",
    "1:8",
    "1000:9000:2000",
    "0:143000",
)
_JOINTS = (*(",", "\n", " , ") * 8, ":", "", "@", ",,")


class StepSets:
    """The first line is the model; each further line is one text of a set."""

    def __init__(self, folder: Path) -> None:
        self.valid = b"pythia-14m\n0,64,1000:9000:1000\nlog"

    def make(self, random: Random) -> bytes:
        model = random.choice(_MODELS)
        text = _part(random)
        for _ in range(random.choice((0, 0, 1, 2, 5, 20))):
            text += random.choice(_JOINTS) + _part(random)
        data = f"{model}\n{text}".encode("utf-8", "surrogatepass")
        return mutated_bytes(random, data) if random.random() < 0.2 else data

    def check(self, data: bytes) -> None:
        model, *texts = data.decode("utf-8", "surrogateescape").split("\n")
        found = parse_steps(model, words_of(texts))
        assert all(type(step) is int and step >= 0 for step in found), "not a step"
        assert found == sorted(set(found)), "not in ascending order, each once"
        published = steps_of(model)
        assert published is None or set(found) <= set(published), "not a published step"
        assert parse_steps(model, words_of(found)) == found


def _part(random: Random) -> str:
    kind = random.randrange(8)
    if kind < 4:
        return random.choice(_WORDS)
    if kind == 4:
        return random.choice(TEXTS)
    numbers = [
        str(random.choice((random.choice(NUMBERS), random.randrange(200_000), 1000, 0, 512)))
        for _ in range(random.randint(1, 4))
    ]
    return random.choice(("", "", "step", "STEP", " ", "+", "-")) + ":".join(numbers)
