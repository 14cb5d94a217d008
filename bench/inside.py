"""Looking inside a full-size random pythia-410m: speed against scoring, memory, and transformers.

    python bench/inside.py [--keep FOLDER] [--transformers PYTHON] [--rounds 3]

Writes all hook_resid_post of 100 texts of 256 tokens, and the attention patterns of a layer over
2048 tokens. With --transformers, a Python that has transformers and torch, also loads the model in
float32 there and keeps the hidden states of 512 tokens, as a process. The last line of stdout is
JSON. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from full_model import ROOT, float_model
from machine import cpu_model, process_cost, seconds_of

MODEL = "full@1"
RESIDUALS = "blocks.*.hook_resid_post"

_OURS = """
import sys, numpy as np, pythia_cli
with pythia_cli.load(sys.argv[1], store=sys.argv[2]) as model:
    model.run([np.arange(1000, 1512)], "blocks.*.hook_resid_post")
"""
_THEIRS = """
import sys, torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(int(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
with torch.inference_mode():
    model.gpt_neox(torch.arange(1000, 1512)[None], output_hidden_states=True)
"""


def write_texts(folder: Path, n_texts: int, n_tokens: int) -> Path:
    """Texts of n_tokens tokens each, of the demo's held-out text, as JSON lines."""
    from pythia_cli.text.tokenizer import PythiaTokenizer

    tokenizer = PythiaTokenizer(ROOT / "tests/golden/tokenizer/tokenizer.json")
    ids = tokenizer.encode((ROOT / "pythia_cli/demo/eval.txt").read_text(encoding="utf-8"))
    path = folder / f"texts-{n_tokens}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(n_texts):
            first = i * n_tokens % (len(ids) - n_tokens)
            piece = ids[first : first + n_tokens].tolist()
            text = b"".join(map(tokenizer.token_bytes, piece)).decode(errors="ignore")
            file.write(json.dumps({"text": text}) + "\n")
    return path


def speed(store: Path, texts: Path, out: Path, rounds: int) -> dict[str, float]:
    """Tokens per second of scoring and of writing all residual streams, alternately."""
    import pythia_cli

    lines = [json.loads(line)["text"] for line in texts.read_text(encoding="utf-8").splitlines()]
    with pythia_cli.load(MODEL, store=store) as model:
        n = sum(len(model.tokenize(line).token_ids) for line in lines)
        model.score_batch(lines[:2])
        rates: dict[str, list[float]] = {"scoring": [], "activations": []}
        for _ in range(rounds):
            rates["scoring"].append(n / seconds_of(lambda: model.score_batch(lines)))
            seconds = seconds_of(lambda: model.save_activations(lines, RESIDUALS, out))
            rates["activations"].append(n / seconds)
            out.unlink()
    shares = [a / s for a, s in zip(rates["activations"], rates["scoring"], strict=True)]
    found = {name: round(statistics.median(values), 1) for name, values in rates.items()}
    return {**found, "share": round(statistics.median(shares), 3), "n_tokens": n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="where to keep the float checkpoint")
    parser.add_argument("--transformers", help="a Python with transformers and torch")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    figures: dict[str, object] = {"processor": cpu_model()}
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        floats = float_model((arguments.keep or here) / "float")
        store = here / "store"
        pythia = [sys.executable, "-m", "pythia_cli"]
        own = {"PYTHIA_HOME": str(store)}
        process_cost([*pythia, "quantize", str(floats), "--as", MODEL], own)
        texts, long_text = write_texts(here, 100, 256), write_texts(here, 1, 2040)
        out = here / "out.safetensors"

        def command(texts: Path, name: str) -> list[str]:
            return [*pythia, "activations", str(texts), "-m", MODEL, "-n", name, "-o", str(out)]

        figures["residuals_command"] = process_cost(command(texts, RESIDUALS), own)
        pattern = "blocks.12.attn.hook_pattern"
        figures["pattern_2048_command"] = process_cost(command(long_text, pattern), own)
        if arguments.transformers:
            ours, theirs = [], []
            for _ in range(arguments.rounds):
                ours.append(
                    process_cost([sys.executable, "-c", _OURS, MODEL, str(store)], own)["seconds"]
                )
                theirs.append(
                    process_cost([arguments.transformers, "-c", _THEIRS, str(floats), "2"], {})[
                        "seconds"
                    ]
                )
            figures["process"] = {
                "ours": round(statistics.median(ours), 2),
                "transformers": round(statistics.median(theirs), 2),
                "times": round(statistics.median(theirs) / statistics.median(ours), 2),
            }
        # Last, as Linux counts this process's memory in a child's peak.
        figures["speed"] = speed(store, texts, out, arguments.rounds)
    for name, value in figures.items():
        print(f"{name:22} {value}", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
