"""The same bits on a lesser processor: Numba told to compile for one, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pythia_cli.int8_file import Int8File
from pythia_cli.model.transformer import Transformer
from tests.golden_index import golden

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from pythia_cli.int8_file import Int8File
from pythia_cli.kernels import simd
from pythia_cli.model.transformer import Transformer

path, tokens, out = sys.argv[1:]
model = Transformer(Int8File(Path(path)), 2)
chunks = model.chunks(np.load(tokens), model.new_cache())
np.save(out, np.concatenate([logits.copy() for _, logits in chunks]))
print(simd.VECTOR)
"""


def test_without_vector_instructions_the_bits_are_the_same(
    golden_folder: Callable[[str], Path], quantized: Callable[[Path], Int8File], tmp_path: Path
) -> None:
    """Plain x86-64, or plain anything: matmul_plain, and fused multiply-adds in software."""
    file = quantized(golden_folder("head20-rope-parameters"))
    token_ids, _ = golden("head20-rope-parameters")
    np.save(tmp_path / "tokens.npy", token_ids)
    arguments = [file.path, tmp_path / "tokens.npy", tmp_path / "logits.npy"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env=os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"
    model = Transformer(file, 1)
    chunks = model.chunks(token_ids, model.new_cache())
    expected = np.concatenate([logits.copy() for _, logits in chunks])
    model.close()
    assert np.load(tmp_path / "logits.npy").tobytes() == expected.tobytes()
