"""Make the golden data of this folder from the authority: Hugging Face transformers and tokenizers.

transformers is no dependency of the project: this runs by hand and rarely, and the tests read only
the files it leaves here. The data in place was made by Python 3.11 on x86-64 with

    torch 2.13.0 (CPU), transformers 4.57.6, tokenizers 0.22.2, safetensors 0.8.0, numpy 2.4.6

To make all of it again, in an environment with torch (CPU), "transformers>=4.56,<5" and numpy:

    python tests/golden/make_golden.py

or one part: `models` (tiny checkpoints and their logits), `tokenizer` (texts and their token ids),
or `check`, which makes nothing: it has the installed transformers, 4 or 5, load every published
folder on its own, and compares its logits with the golden ones. Everything is seeded: the same
versions on the same machine write the same bytes.
"""

import argparse
from pathlib import Path

import golden_models
import golden_tokenizer

GOLDEN = Path(__file__).resolve().parent
REPOSITORY = GOLDEN.parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the golden data from transformers.")
    parser.add_argument(
        "part",
        nargs="?",
        choices=["models", "tokenizer", "check"],
        help="make only this part (default: all, then check)",
    )
    parser.add_argument(
        "--neox-tokenizer",
        type=Path,
        default=GOLDEN / "tokenizer" / "tokenizer.json",
        help="tokenizer.json of GPT-NeoX-20B",
    )
    parser.add_argument(
        "--demo-tokenizer",
        type=Path,
        default=REPOSITORY / "pythia_cli" / "demo" / "step3000" / "tokenizer.json",
        help="tokenizer.json of the built-in demo suite",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    models = GOLDEN / "models"
    if arguments.part in (None, "models"):
        golden_models.make(models)
    if arguments.part in (None, "check"):
        golden_models.check(models)
    if arguments.part in (None, "tokenizer"):
        golden_tokenizer.make(
            {"neox": arguments.neox_tokenizer, "demo": arguments.demo_tokenizer},
            GOLDEN / "tokenizer" / "golden.json",
        )


if __name__ == "__main__":
    main()
