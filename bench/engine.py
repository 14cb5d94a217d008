"""Speed of decoding, prefill and scoring on a full-size random pythia-410m.

    python bench/engine.py [--threads N] [--model FOLDER] [--rounds N]

Measured in the same run for comparison: how fast the weights can be read, which limits decoding,
and scoring with the float32 model in torch. A table for people goes to stderr; the last line of
stdout is JSON. Without --model, the checkpoint is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from full_model import float_model
from machine import seconds_of

from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.diagnostics.bench import streamed_bytes, weights_bandwidth
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.transformer import Transformer
from pythia_cli.system import cores
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source

N_DECODE, N_WINDOW, LATE = 64, 512, 1900


def measure(file: Int8File, reference: Reference, n_threads: int, rounds: int) -> dict[str, list]:
    """A list for each figure, with one value per round; figures are measured in turn."""
    model = Transformer(file, n_threads)
    tokens = np.random.default_rng(0).integers(0, file.config.d_vocab, LATE)
    window, targets = tokens[:N_WINDOW], tokens[1 : N_WINDOW + 1]
    cache = model.new_cache()
    model.prefill(tokens, cache)

    def decode(position: int, n: int) -> float:
        cache.truncate(position)
        return n / seconds_of(lambda: [model.decode(int(t), cache) for t in tokens[:n]])

    def fresh(work: Callable[[], object]) -> float:
        cache.truncate(0)
        return N_WINDOW / seconds_of(work)

    figures: dict[str, list] = {}
    for _ in range(rounds):
        turn = {
            "read_gb_per_second": weights_bandwidth(file, n_threads),
            "decode_at_1900": decode(LATE, N_DECODE // 2),
            "prefill_512": fresh(lambda: model.prefill(window, cache)),
            "score_512": fresh(lambda: model.score(window, targets, cache)),
            "torch_float32_score_512": fresh(lambda: reference.score(window, targets)),
        }
        model.prefill(window[:8], cache)
        turn["decode"] = decode(8, N_DECODE)
        model.prefill(tokens[cache.length :], cache)
        for name, value in turn.items():
            figures.setdefault(name, []).append(value)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=cores.n_threads())
    parser.add_argument("--model", type=Path, help="a float checkpoint's folder")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.model
        if folder is None:
            folder = float_model(Path(temporary) / "float")
        checkpoint = FloatCheckpoint(folder)
        path = Path(temporary) / "model.int8.safetensors"
        quantize = seconds_of(
            lambda: write_int8(checkpoint, path, Source(None, None, None, checkpoint.sha256()))
        )
        file = Int8File(path)
        reference = Reference.from_checkpoint(checkpoint, arguments.threads)
        figures = measure(file, reference, arguments.threads, arguments.rounds)

    medians = {name: statistics.median(values) for name, values in figures.items()}
    streamed = streamed_bytes(file)
    for name, values in figures.items():
        print(
            f"{name:26} median {medians[name]:8.1f}  from {min(values):8.1f} to {max(values):8.1f}",
            file=sys.stderr,
        )
    record = {
        **medians,
        "threads": arguments.threads,
        "quantize_seconds": quantize,
        "decode_share_of_bandwidth": statistics.median(
            d * streamed / 1e9 / gb
            for d, gb in zip(figures["decode"], figures["read_gb_per_second"], strict=True)
        ),
        "score_ratio_to_torch_float32": statistics.median(
            a / b
            for a, b in zip(figures["score_512"], figures["torch_float32_score_512"], strict=True)
        ),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
