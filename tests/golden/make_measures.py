"""Make words/, blimp/ and lm_eval/ of this folder from the authorities, on the built-in demo.

The authorities are no dependencies of the project: this runs by hand and rarely, and the tests read
only the files it leaves here. The data in place was made by Python 3.11 on x86-64 with

    torch 2.13.0 (CPU), transformers 5.24.0, tokenizers 0.23.3, numpy 2.4.6, pandas 3.1.1,
    minicons 0.3.39, wordsprobability 0.17, lm_eval 0.4.13, datasets 5.2.0

To make all of it again, in an environment with these:

    python tests/golden/make_measures.py --blimp FOLDER

or one part: `words`, `blimp` or `lm_eval`. FOLDER has BLiMP's files in full, 1,000 pairs each; this
folder keeps 100 of each.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import golden_blimp
import golden_demo
import golden_lm_eval
import golden_words
import torch
from minicons.scorer import IncrementalLMScorer

GOLDEN = Path(__file__).resolve().parent


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make golden data of measures.")
    parser.add_argument(
        "part", nargs="?", choices=["words", "blimp", "lm_eval"], help="make only this part"
    )
    parser.add_argument(
        "--blimp", type=Path, help="folder of BLiMP's JSONL files, 1,000 pairs each"
    )
    arguments = parser.parse_args()
    if arguments.blimp is None and arguments.part in (None, "blimp"):
        parser.error("--blimp FOLDER is needed for this part")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        book = (golden_demo.DEMO / "eval.txt").read_text(encoding="utf-8")
        last = golden_demo.make_folder(golden_demo.LAST_STEP, Path(scratch))
        model, tokenizer = golden_demo.load(last)
        if arguments.part in (None, "words"):
            golden_words.make(model, tokenizer, book, GOLDEN / "words")
        if arguments.part in (None, "blimp"):
            scorer = IncrementalLMScorer(model, tokenizer=tokenizer)
            golden_blimp.make(last, scorer, arguments.blimp, GOLDEN / "blimp")
        if arguments.part in (None, "lm_eval"):
            golden_lm_eval.make(book, Path(scratch), GOLDEN / "lm_eval")


if __name__ == "__main__":
    main()
