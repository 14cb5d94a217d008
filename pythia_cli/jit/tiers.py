"""SIMD tiers: which instructions the tiles are written in, chosen from the processor's features.

No Numba here. A tier below the best can be forced with PYTHIA_SIMD; its kernels are compiled as for
a processor that lacks the rest, and give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pythia_cli.errors import BadEnvironment


@dataclass(frozen=True)
class Tier:
    """A set of instructions, and the tiles that fill its registers.

    needs: features of LLVM's that a processor must have. lacks: prefixes of features that kernels
    of this tier are compiled without. vector: int8 weights that a step takes, 0 for no tiles.
    n_tokens: tokens of a tile of matmul (it has four rows). n_queries by n_vectors of 16 floats:
    the sums of a tile of attention. instruction: LLVM's intrinsic that multiplies and adds.
    """

    name: str
    needs: tuple[str, ...]
    lacks: tuple[str, ...]
    vector: int
    n_tokens: int
    n_queries: int
    n_vectors: int
    instruction: str


_PMADDWD_512 = "llvm.x86.avx512.pmaddw.d.512"
_PMADDWD_256 = "llvm.x86.avx2.pmadd.wd"

# LLVM fuses vpmaddwd with its sum to vpdpwssd where there is VNNI. 32 registers: 24 sums, 4 rows
# of weights, 1 of activations, room for the next. 16 registers: 8 sums, 2 rows of activations, 1 of
# weights, 1 product.
X86_TIERS = (
    Tier("avx512-vnni", ("avx512bw", "avx512vnni"), (), 32, 6, 8, 2, _PMADDWD_512),
    Tier("avx512", ("avx512bw",), ("avx512vnni", "avxvnni"), 32, 6, 8, 2, _PMADDWD_512),
    Tier("avx-vnni", ("avx2", "avxvnni"), ("avx512",), 16, 2, 4, 1, _PMADDWD_256),
    Tier("avx2", ("avx2",), ("avx512", "avxvnni"), 16, 2, 4, 1, _PMADDWD_256),
    Tier("plain", (), ("avx", "fma", "f16c", "sse3", "ssse3", "sse4"), 0, 1, 4, 1, ""),
)
# 32 registers: 16 sums (high and low bytes), 4 rows of weights, 4 of activations.
ARM_TIERS = (
    Tier("neon-dot", ("dotprod",), (), 16, 2, 4, 1, "llvm.aarch64.neon.sdot.v4i32.v16i8"),
    Tier("plain", (), ("dotprod",), 0, 1, 4, 1, ""),
)
_OTHERS = (Tier("plain", (), (), 0, 1, 4, 1, ""),)


def tiers_of(architecture: str) -> tuple[Tier, ...]:
    """The tiers of an architecture, as the first part of LLVM's triple names it; best first."""
    if architecture == "x86_64":
        return X86_TIERS
    return ARM_TIERS if architecture in ("aarch64", "arm64") else _OTHERS


def choose(architecture: str, features: Mapping[str, bool], forced: str) -> Tier:
    """The best tier that the features allow, or the forced one (a name; empty for none).

    Raises BadEnvironment for a name that is none, or a tier that the processor does not have.
    """
    able = [
        tier
        for tier in tiers_of(architecture)
        if all(features.get(feature, False) for feature in tier.needs)
    ]
    if not forced:
        return able[0]
    for tier in able:
        if tier.name == forced:
            return tier
    names = ", ".join(tier.name for tier in able)
    raise BadEnvironment("PYTHIA_SIMD", f"is {forced!r}; this processor has {names}")


def without(tier: Tier, features: Mapping[str, bool]) -> dict[str, bool]:
    """The features that kernels of this tier are compiled for."""
    return {name: on and not name.startswith(tier.lacks) for name, on in features.items()}
