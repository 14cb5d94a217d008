"""Lower SIMD tiers give the same bits. Their kernels are compiled in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.engine.byte_parts import PRECISIONS
from pythia_cli.engine.transformer import Transformer
from pythia_cli.jit import processor
from pythia_cli.jit.tiers import choose, tiers_of
from pythia_cli.weights.int8_file import Int8File
from tests.golden_index import golden

# Of the first, no width is a multiple of 64; of the second, all: tiles in lanes, and halves.
NAMES = ("head20-rope-parameters", "head32-sharded-safetensors")
ARCHITECTURE = processor.architecture()
BEST = choose(ARCHITECTURE, processor.features(), "")
# Each other tier differs from one of these only by an instruction.
LESSER = [t.name for t in tiers_of(ARCHITECTURE) if t.name in ("avx2", "plain") and t != BEST]

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.engine.transformer import Transformer

path, tokens, out = sys.argv[1:]
found = []
for precision in ("exact", "fast"):
    model = Transformer(Int8File(Path(path)), 2, precision)
    ids = np.load(tokens)
    cache = model.new_cache()
    found += [rows.copy() for _, rows in model.chunks(ids[:-1], cache)]
    found.append(model.decode(int(ids[-1]), cache).copy())
    scores = model.score(ids[:-1], ids[1:], model.new_cache())
    found.append(np.stack([scores.nll, scores.entropy, scores.rank]))
np.savez(out, *found)
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tier", LESSER)
def test_a_lower_tier_gives_the_same_bits(
    tier: str,
    name: str,
    golden_folder: Callable[[str], Path],
    quantized: Callable[[Path], Int8File],
    tmp_path: Path,
) -> None:
    """The tier `plain` has no tiles, and fused multiply-adds in software."""
    file = quantized(golden_folder(name))
    token_ids, _ = golden(name)
    np.save(tmp_path / "tokens.npy", token_ids)
    arguments = [file.path, tmp_path / "tokens.npy", tmp_path / "found.npz"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env=os.environ | {"PYTHIA_SIMD": tier},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for precision in PRECISIONS:
        model = Transformer(file, 1, precision)
        cache = model.new_cache()
        expected += [rows.copy() for _, rows in model.chunks(token_ids[:-1], cache)]
        expected.append(model.decode(int(token_ids[-1]), cache).copy())
        scores = model.score(token_ids[:-1], token_ids[1:], model.new_cache())
        expected.append(np.stack([scores.nll, scores.entropy, scores.rank]))
        model.close()
    found = np.load(tmp_path / "found.npz")
    assert len(found) == len(expected)
    for lesser, best in zip(found.values(), expected, strict=True):
        assert lesser.tobytes() == best.tobytes()
