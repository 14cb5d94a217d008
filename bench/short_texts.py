"""Short texts scored one by one and in batches, in turn: sentences a second, and the same bits.

    python bench/short_texts.py PAIRS.jsonl [--model NAME] [--rounds N]

PAIRS.jsonl has sentence_good and sentence_bad in each line, as BLiMP's files do. The model (by
default pythia-410m) has to be installed. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np
from machine import seconds_of

import pythia_cli


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--model", default="pythia-410m")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    pairs = [json.loads(line) for line in given.pairs.read_text(encoding="utf-8").splitlines()]
    texts = [pair[f"sentence_{which}"] for pair in pairs for which in ("good", "bad")]
    one_by_one, batched, found = [], [], {}
    with pythia_cli.load(given.model) as model:
        model.score_batch(texts[:100], bos=True)
        for _ in range(given.rounds):

            def alone() -> None:
                found["alone"] = [model.score(text, bos=True) for text in texts]

            def together() -> None:
                found["together"] = model.score_batch(texts, bos=True)

            one_by_one.append(len(texts) / seconds_of(alone))
            batched.append(len(texts) / seconds_of(together))
            rates = f"{one_by_one[-1]:.1f} one by one, {batched[-1]:.1f} in a batch"
            print(f"sentences/s: {rates}", file=sys.stderr, flush=True)
    same = all(
        np.array_equal(getattr(a, column), getattr(b, column))
        for a, b in zip(found["alone"], found["together"], strict=True)
        for column in ("token_ids", "nll", "entropy", "rank")
    )
    ratios = [b / a for a, b in zip(one_by_one, batched, strict=True)]
    figures = {
        "n_sentences": len(texts),
        "one_by_one_per_second": round(statistics.median(one_by_one), 1),
        "batched_per_second": round(statistics.median(batched), 1),
        "ratio": round(statistics.median(ratios), 2),
        "same_bits": same,
    }
    print(json.dumps(figures))
    sys.exit(not same)


if __name__ == "__main__":
    main()
