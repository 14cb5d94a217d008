"""Norms, singular values and distances of the demo's matrices, by numpy: inside/weights.npz."""

from pathlib import Path

import numpy as np
from golden_demo import DEMO, LAST_STEP
from safetensors.numpy import load_file

STEPS = [64, LAST_STEP]


def make(folder: Path) -> None:
    """Of every parameter with two dimensions, under its published name, in float64."""
    first, last = (load_file(DEMO / f"step{step}" / "model.safetensors") for step in STEPS)
    names = sorted(name for name, values in last.items() if values.ndim == 2)
    matrices = {name: np.stack([first[name], last[name]]).astype(np.float64) for name in names}
    np.savez_compressed(
        folder / "weights.npz",
        step=np.array(STEPS),
        name=np.array(names),
        shape=np.array([matrices[name].shape[1:] for name in names]),
        frobenius=np.array([[norm(w) for w in matrices[name]] for name in names]).T,
        distance=np.array([norm(w[1] - w[0]) for w in matrices.values()]),
        singular_values=np.stack(
            [np.linalg.svd(w, compute_uv=False) for w in matrices.values()], axis=1
        ),
    )


def norm(matrix: np.ndarray) -> float:
    return float(np.sqrt(np.sum(matrix**2)))
