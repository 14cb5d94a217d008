"""Make inside/ of this folder: what transformers, TransformerLens and tuned-lens see in a model.

The authorities are no dependencies of the project: this runs by hand and rarely, and the tests read
only the files it leaves here. The data in place was made by Python 3.11 on x86-64 with

    torch 2.13.0 (CPU), transformers 5.24.0, tokenizers 0.23.3, safetensors 0.8.0, numpy 2.4.6,
    transformer_lens 3.9.0, tuned-lens 0.2.0

To make all of it again, in an environment with these:

    python tests/golden/make_inside.py

or one part: `hidden`, `hooks`, `lens`, `windows`, `weights`. `check` makes nothing: it compares
`hooks` with the TransformerBridge of the installed TransformerLens, 3 or 4. Everything is seeded.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import torch

GOLDEN = Path(__file__).resolve().parent
PARTS = ["hidden", "hooks", "lens", "windows", "weights"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make golden data of activations and weights.")
    parser.add_argument("part", nargs="?", choices=[*PARTS, "check"], help="make only this part")
    only = parser.parse_args().part
    torch.set_num_threads(1)
    (GOLDEN / "inside").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for part in [only] if only else PARTS:
            run(part, Path(scratch), GOLDEN / "inside")


def run(part: str, scratch: Path, folder: Path) -> None:
    """Make one part. Each imports its own authority, and needs no other one's."""
    if part == "hidden":
        import golden_hidden

        golden_hidden.make(GOLDEN / "models", folder)
    elif part == "hooks":
        import golden_hooks

        golden_hooks.make(scratch, folder)
    elif part == "check":
        import golden_hooks

        golden_hooks.check(scratch, folder)
    elif part == "lens":
        import golden_lens

        golden_lens.make(scratch, folder)
    elif part == "windows":
        import golden_windows

        golden_windows.make(scratch, folder)
    else:
        import golden_spectra

        golden_spectra.make(folder)


if __name__ == "__main__":
    main()
