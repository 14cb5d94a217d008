"""Surprisal by position in windows of the demo's whole context: inside/windows.npz."""

from pathlib import Path

import numpy as np
import torch
from golden_demo import CONTEXT, DEMO, LAST_STEP, load, make_folder

STEPS = [64, LAST_STEP]
N_WINDOWS = 3
END_OF_TEXT = 0


def make(scratch: Path, folder: Path) -> None:
    """The first windows of eval.txt, one after the other, each behind <|endoftext|>."""
    book = (DEMO / "eval.txt").read_text(encoding="utf-8")
    nll = []
    for step in STEPS:
        model, tokenizer = load(make_folder(step, scratch / "windows"))
        ids = torch.tensor(tokenizer(book)["input_ids"][: N_WINDOWS * CONTEXT])
        windows = ids.reshape(N_WINDOWS, CONTEXT)
        nll.append([surprisal(model, window) for window in windows])
    np.savez_compressed(
        folder / "windows.npz",
        token_ids=windows.numpy().astype(np.int32),
        step=np.array(STEPS),
        nll=np.array(nll),
    )


def surprisal(model: torch.nn.Module, window: torch.Tensor) -> np.ndarray:
    """In nats, of every token: <|endoftext|> and all but the last fill the context."""
    inputs = torch.cat([torch.tensor([END_OF_TEXT]), window[:-1]])
    with torch.no_grad():
        logits = model(inputs[None], use_cache=False).logits[0]
    return torch.nn.functional.cross_entropy(logits.double(), window, reduction="none").numpy()
