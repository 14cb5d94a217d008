"""The built-in demo, as a folder that transformers loads, and as a model in float32."""

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

DEMO = Path(__file__).resolve().parents[2] / "pythia_cli" / "demo"
LAST_STEP = 3000
CONTEXT = 512

# As published with the Pythia models. The class is the one that reads tokenizer.json as it is.
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<|endoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "clean_up_tokenization_spaces": False,
}


def make_folder(step: int, parent: Path) -> Path:
    """A copy of the step's folder under `parent`, with what transformers needs of the tokenizer."""
    folder = parent / f"step{step}"
    shutil.copytree(DEMO / f"step{step}", folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG), encoding="utf-8")
    return folder


def load(folder: Path) -> tuple[torch.nn.Module, PreTrainedTokenizerFast]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder)
