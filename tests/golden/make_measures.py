"""Make words/, blimp/ and lm_eval/ of this folder from the authorities, on the built-in demo.

The authorities are no dependencies of the project: this runs by hand and rarely, and the tests read
only the files it leaves here. The data in place was made by Python 3.11 on x86-64 with

    torch 2.13.0 (CPU), transformers 5.24.0, tokenizers 0.23.3, numpy 2.4.6, pandas 3.1.1,
    minicons 0.3.39, wordsprobability 0.17, lm_eval 0.4.13, datasets 5.2.0

To make all of it again, in an environment with these:

    python tests/golden/make_measures.py --blimp FOLDER

or one part: `words`, `blimp`, `lm_eval`, or `check`, which makes nothing: it puts the authorities'
figures together from transformers' own, and reads them all. FOLDER has BLiMP's files in full, 1,000
pairs each; this folder keeps 100 of each.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import golden_demo
import golden_words
import torch

GOLDEN = Path(__file__).resolve().parent


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make golden data of measures.")
    parser.add_argument("part", nargs="?", choices=["words"], help="make only this part")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        last = golden_demo.make_folder(golden_demo.LAST_STEP, Path(scratch))
        model, tokenizer = golden_demo.load(last)
        if arguments.part in (None, "words"):
            book = (golden_demo.DEMO / "eval.txt").read_text(encoding="utf-8")
            golden_words.make(model, tokenizer, book, GOLDEN / "words")


if __name__ == "__main__":
    main()
