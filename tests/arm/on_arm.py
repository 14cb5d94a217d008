"""What runs on the emulated machine, and `results` on this one too; each prints one JSON object.

python -m tests.arm.on_arm processor
python -m tests.arm.on_arm results [KERNELS]    KERNELS: a file of compiled kernels, used first
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pythia_cli
from pythia_cli import settings
from pythia_cli.jit import processor, tiers
from pythia_cli.jit.object_cache import unpacked
from pythia_cli.kernels import compiled


def described() -> dict[str, Any]:
    """The processor that kernels are compiled for."""
    architecture, features = processor.architecture(), processor.features()
    return {
        "triple": processor.triple(),
        "name": processor.name(),
        "features": features,
        "tier": tiers.choose(architecture, features, settings.simd()).name,
    }


def install(path: Path) -> None:
    """Put compiled kernels into the cache, as if they had been compiled here."""
    compiled.cache().write(unpacked(path.read_bytes()))


def results() -> dict[str, Any]:
    """What the demo computes, each as exact figures or as a hash of all bits."""
    text = (Path(pythia_cli.__file__).parent / "demo/eval.txt").read_text(encoding="utf-8")[:1800]
    with pythia_cli.load("demo") as model:
        scored = model.score(text, bos=True)
        options = {"greedy": {"temperature": 0.0}, "sampled": {"top_p": 0.9, "seed": 1}}
        generated = {
            name: model.generate("Call me", max_tokens=20, ignore_eos=True, **chosen).text
            for name, chosen in options.items()
        }
        batch = model.generate_batch(
            ["She looked at him and", "It was"],
            pythia_cli.GenerateOptions(max_tokens=8, seed=2),
            num_samples=2,
        )
        return {
            "int8 file": hashlib.sha256(model.opened.file.path.read_bytes()).hexdigest(),
            "logits": _hash(model.logits(scored.token_ids[:150])),
            "nll": _hash(scored.nll),
            "entropy": _hash(scored.entropy),
            "rank": _hash(scored.rank),
            "perplexity": pythia_cli.perplexity(model, text).to_dict(),
            "generated": generated,
            "batch": [sample.text for sample in batch],
            "imported Numba": "numba" in sys.modules,
        }


def _hash(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


if __name__ == "__main__":
    asked, *files = sys.argv[1:]
    for file in files:
        install(Path(file))
    print(json.dumps(described() if asked == "processor" else results()))
