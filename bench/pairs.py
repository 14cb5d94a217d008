"""Minimal pairs a second: ours, transformers batched with padding, and minicons.

    python bench/pairs.py MODEL PAIRS.jsonl --peers PYTHON [--n 200] [--rounds 3] [--threads 2]

MODEL is a full-size Hugging Face folder (tools/make_full_model.py); PAIRS.jsonl has sentence_good
and sentence_bad, as BLiMP has. PYTHON is the interpreter of an environment with torch, transformers
and minicons. Each engine runs in a process of its own, in turn, once a round; loading is not
counted. The largest difference of log-probabilities from those of transformers is printed too. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH = 32
ENGINES = ("exact", "fast", "transformers", "minicons")
Pair = list[str]
Score = Callable[[list[Pair]], list[list[float]]]


def ours(model: str, threads: int, precision: Any) -> Score:
    import pythia_cli
    from pythia_cli.measures.pairs import MinimalPair, PairMeter

    opened = pythia_cli.load(model, n_threads=threads, precision=precision)
    opened.prepare()
    meter = PairMeter(opened)

    def score(pairs: list[Pair]) -> list[list[float]]:
        records: list[Any] = meter.measure([MinimalPair(*pair) for pair in pairs])
        return [[record["logprob_good"], record["logprob_bad"]] for record in records]

    return score


def transformers(model: str, threads: int) -> Score:
    import torch
    from transformers import AutoTokenizer, GPTNeoXForCausalLM

    torch.set_num_threads(threads)
    network = GPTNeoXForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token = tokenizer.eos_token

    @torch.inference_mode()
    def sums(texts: list[str]) -> list[float]:
        batch = tokenizer(
            [tokenizer.eos_token + text for text in texts], return_tensors="pt", padding=True
        )
        ids, mask = batch["input_ids"], batch["attention_mask"]
        logits = network(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(dim=-1)
        found = logits.gather(2, ids[:, 1:, None])[:, :, 0] * mask[:, 1:]
        return found.sum(dim=1).tolist()

    return lambda pairs: _in_batches(sums, pairs)


def minicons(model: str, threads: int) -> Score:
    import torch
    from minicons.scorer import IncrementalLMScorer

    torch.set_num_threads(threads)
    scorer = IncrementalLMScorer(model, "cpu")

    def sums(texts: list[str]) -> list[float]:
        return scorer.sequence_score(texts, bos_token=True, reduction=lambda x: x.sum(0).item())

    return lambda pairs: _in_batches(sums, pairs)


def _in_batches(sums: Callable[[list[str]], list[float]], pairs: list[Pair]) -> list[list[float]]:
    """Of all sentences, the shorter first, so that batches have little padding."""
    sentences = [sentence for pair in pairs for sentence in pair]
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    found = [0.0] * len(sentences)
    for at in range(0, len(order), BATCH):
        some = order[at : at + BATCH]
        for i, value in zip(some, sums([sentences[i] for i in some]), strict=True):
            found[i] = value
    return [found[i : i + 2] for i in range(0, len(found), 2)]


def work(engine: str, model: str, path: str, n: int, threads: int) -> None:
    """Print pairs a second, and the log-probabilities, as JSON."""
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(n), strict=False)]
    pairs = [[row["sentence_good"], row["sentence_bad"]] for row in rows]
    if engine in ("exact", "fast"):
        score = ours(model, threads, engine)
    else:
        score = {"transformers": transformers, "minicons": minicons}[engine](model, threads)
    score(pairs[:4])
    started = time.perf_counter()
    logprobs = score(pairs)
    seconds = time.perf_counter() - started
    print(json.dumps({"pairs_per_second": len(pairs) / seconds, "logprobs": logprobs}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", choices=ENGINES)
    options = parser.parse_args()
    if options.engine:
        work(options.engine, options.model, options.pairs, options.n, options.threads)
        return
    rates: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    logprobs: dict[str, list[list[float]]] = {}
    for _ in range(options.rounds):
        for engine in ENGINES:
            python = sys.executable if engine in ("exact", "fast") else options.peers
            command = [python, str(Path(__file__)), *sys.argv[1:], "--engine", engine]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rates[engine].append(found["pairs_per_second"])
            logprobs[engine] = found["logprobs"]
    reference = logprobs["transformers"]
    record = {
        engine: {
            "pairs_per_second": statistics.median(rates[engine]),
            "largest_difference": max(
                abs(a - b)
                for ours, theirs in zip(logprobs[engine], reference, strict=True)
                for a, b in zip(ours, theirs, strict=True)
            ),
        }
        for engine in ENGINES
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
