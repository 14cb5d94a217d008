"""Make int8/v1-tiny.safetensors, an int8 file of format version 1 that is kept for ever.

Run once, when version 1 was the current one; a later version must still read the file it left:

    python tests/golden/make_int8_v1.py

It is `models/head12-f32` quantized: odd widths, so that most tensors have padding behind them.
`v1-tiny.npz` holds every tensor of the file by name, token ids, and the logits that the plain
float32 model gives for them on the dequantized weights.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine.reference import Reference
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import FORMAT_VERSION
from pythia_cli.weights.source import Source

GOLDEN = Path(__file__).resolve().parent
TOKENIZER = GOLDEN.parents[1] / "pythia_cli" / "demo" / "step3000" / "tokenizer.json"
MODEL = "head12-f32"


def main() -> None:
    if FORMAT_VERSION != 1:
        raise SystemExit("The file of version 1 is kept as it is; make one of your own version.")
    path = GOLDEN / "int8" / "v1-tiny.safetensors"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(GOLDEN / "models" / MODEL, folder, dirs_exist_ok=True)
        shutil.copy(TOKENIZER, folder)
        checkpoint = FloatCheckpoint(Path(folder))
        source = Source("EleutherAI/not-a-model", "step1", None, checkpoint.sha256())
        write_int8(checkpoint, path, source)
    file = Int8File(path)
    with np.load(GOLDEN / "models" / MODEL / "golden.npz") as golden:
        token_ids = golden["token_ids"]
    logits = Reference.from_int8(file).logits(token_ids)
    tensors = {f"tensor:{name}": values for name, values in file.tensors.items()}
    np.savez_compressed(path.with_suffix(".npz"), token_ids=token_ids, logits=logits, **tensors)


if __name__ == "__main__":
    main()
