"""Make memorize/golden.npz of this folder: greedy decoding by Hugging Face transformers.

The model is the built-in demo at step 3000, with the weights of its int8 file, dequantized. The
rows are of a text that the demo was trained on and of one that was held out (docs/demo.md). This
runs by hand and rarely; the tests read only the file. The one in place was made by Python 3.11 on
x86-64 with torch 2.13.0 (CPU), transformers 5.24.0 and numpy 2.4.6.

To make it again, in an environment with transformers and this package, by

    python tests/golden/make_memorize.py "Charles Dickens/A Christmas Carol.md"

with that file (public domain) of the repository mlschmitt/classic-books-markdown.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import pythia_cli
from pythia_cli.engine.reference import dequantized
from pythia_cli.suite.parameters import published_tensors
from pythia_cli.weights.int8_file import Int8File

GOLDEN = Path(__file__).resolve().parent
REPOSITORY = GOLDEN.parents[1]
DEMO = REPOSITORY / "pythia_cli" / "demo"
PROMPT, CONTINUATION = 32, 32
N_ROWS, N_BEST = 24, 3
END_OF_TEXT = 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Make golden data of memorization.")
    parser.add_argument("book", type=Path)
    sys.path.insert(0, str(REPOSITORY / "tools"))
    from train_demo import plain_text

    torch.set_num_threads(1)
    texts = {
        "trained": plain_text(parser.parse_args().book.read_text(encoding="utf-8")),
        "held_out": (DEMO / "eval.txt").read_text(encoding="utf-8"),
    }
    arrays = {}
    with pythia_cli.load("demo", step=3000) as ours:
        model = dequantized_model(ours.opened.file)
        for name, text in texts.items():
            rows = chosen_rows(ours, text)
            found = [decoded(model, row) for row in rows]
            arrays[f"{name}_rows"] = rows.astype(np.uint16)
            arrays[f"{name}_choices"] = np.array([row[0] for row in found], np.uint16)
            arrays[f"{name}_margins"] = np.array([row[1] for row in found], np.float32)
            arrays[f"{name}_nll"] = np.array([row[2] for row in found])
    np.savez_compressed(GOLDEN / "memorize" / "golden.npz", **arrays)


def chosen_rows(ours: pythia_cli.Model, text: str) -> np.ndarray:
    """Rows at equal distances, and those whose continuations begin as the model likes best."""
    scored = ours.score(text)
    ids, n = scored.token_ids, PROMPT + CONTINUATION
    n_first = np.zeros(len(ids), np.int64)  # tokens from here on that are all ranked first
    for at in range(len(ids) - 2, -1, -1):
        n_first[at] = n_first[at + 1] + 1 if scored.rank[at] == 0 else 0
    best = np.argsort(-n_first[PROMPT:-CONTINUATION], kind="stable")[:N_BEST]
    spread = np.linspace(0, len(ids) - n, N_ROWS - N_BEST).astype(np.int64)
    return np.array([ids[at : at + n] for at in [*best, *spread]])


def dequantized_model(file: Int8File) -> torch.nn.Module:
    """The demo in float32 with the weights of the int8 file, which has one more bias."""
    model = AutoModelForCausalLM.from_pretrained(DEMO / "step3000", dtype=torch.float32).eval()
    parameters = dict(model.named_parameters())
    last = model.get_output_embeddings()
    with torch.no_grad():
        for name in published_tensors(file.config):
            parameter = last.weight if name == "embed_out.weight" else parameters.pop(name)
            parameter.copy_(torch.from_numpy(dequantized(file, name)))
        last.bias = torch.nn.Parameter(torch.from_numpy(np.array(file.tensors["embed_out.bias"])))
    assert {id(p) for p in parameters.values()} <= {id(last.weight)}, "all were replaced"
    return model


def decoded(model: torch.nn.Module, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The greedy choices, their margins, and the nll of the true continuation.

    As EleutherAI's evaluation: the least length is the greatest, so <|endoftext|> is not chosen.
    """
    ids = torch.from_numpy(row.astype(np.int64))[None]
    with torch.inference_mode():
        made = model.generate(
            ids[:, :PROMPT],
            attention_mask=torch.ones(1, PROMPT, dtype=torch.int64),
            do_sample=False,
            min_new_tokens=CONTINUATION,
            max_new_tokens=CONTINUATION,
            eos_token_id=END_OF_TEXT,
            pad_token_id=END_OF_TEXT,
            return_dict_in_generate=True,
            output_scores=True,
        )
        best = torch.cat(made.scores).topk(2, dim=1).values
        logits = model(ids[:, :-1]).logits[0, PROMPT - 1 :].double()
    nll = torch.nn.functional.cross_entropy(logits, ids[0, PROMPT:], reduction="sum")
    return made.sequences[0, PROMPT:].numpy(), (best[:, 0] - best[:, 1]).numpy(), float(nll)


if __name__ == "__main__":
    main()
