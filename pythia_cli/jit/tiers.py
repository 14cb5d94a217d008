"""SIMD tiers: the instructions that the tiles use, chosen by the processor's features.

Does not import Numba. PYTHIA_SIMD forces a lower tier. Kernels are then compiled as for a processor
without the higher features, and give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pythia_cli.errors import BadEnvironment


@dataclass(frozen=True)
class Tier:
    """A set of instructions, and tile sizes that fill its registers.

    needs: LLVM features that the processor must have. lacks: prefixes of LLVM features that kernels
    of this tier must not use. vector: int8 weights per step of a tile; 0: no tiles. n_tokens:
    tokens in a matmul tile, which has four rows. n_queries, n_vectors: an attention tile holds
    n_queries * n_vectors vectors of 16 floats. instruction: LLVM's multiply-add intrinsic.
    byte_vector, byte_instruction: the same for activations of 8 bits; without an instruction of
    their own they are widened. has_lanes: whether groups of tokens have tiles with a token in each
    lane (tiles/lanes.py). has_amx: whether these are in tile registers (tiles/amx.py).
    """

    name: str
    needs: tuple[str, ...]
    lacks: tuple[str, ...]
    vector: int
    n_tokens: int
    n_queries: int
    n_vectors: int
    instruction: str
    byte_vector: int
    byte_instruction: str
    has_lanes: bool = False
    has_amx: bool = False

    @property
    def weights_ahead(self) -> int:
        """How far ahead, in bytes, weights are prefetched by a token that is alone.

        The fastest of 2048, 4096 and 8192 on an Emerald Rapids, which has AMX, and on a Zen 4.
        """
        return 4096 if self.has_amx else 2048

    @property
    def cache_ahead(self) -> int:
        """The same for its keys and values; 0: the processor alone, which is faster on a Zen 4."""
        return 4096 if self.has_amx else 0

    @property
    def has_halves(self) -> bool:
        """Whether a single token of 16 bits is multiplied as two bytes (kernels/halves.py)."""
        return "vpdpbusd" in self.byte_instruction


_PMADDWD_512 = "llvm.x86.avx512.pmaddw.d.512"
_PMADDWD_256 = "llvm.x86.avx2.pmadd.wd"
_DPBUSD_512 = "llvm.x86.avx512.vpdpbusd.512"
_DPBUSD_256 = "llvm.x86.avx512.vpdpbusd.256"
_SDOT = "llvm.aarch64.neon.sdot.v4i32.v16i8"

# With VNNI, LLVM fuses vpmaddwd and the addition to vpdpwssd. 32 registers: 24 sums, 4 rows of
# weights, 1 of activations, some spare. 16 registers: 8 sums, 2 rows of activations, 1 of weights,
# 1 product.
_VNNI_512 = ("avx512bw", "avx512vnni")
X86_TIERS = (
    Tier(
        "avx512-amx",
        (*_VNNI_512, "amx-tile", "amx-int8"),
        (),
        32,
        6,
        8,
        2,
        _PMADDWD_512,
        64,
        _DPBUSD_512,
        has_lanes=True,
        has_amx=True,
    ),
    Tier(
        "avx512-vnni",
        _VNNI_512,
        ("amx",),
        32,
        6,
        8,
        2,
        _PMADDWD_512,
        64,
        _DPBUSD_512,
        has_lanes=True,
    ),
    Tier(
        "avx512", ("avx512bw",), ("amx", "avx512vnni", "avxvnni"), 32, 6, 8, 2, _PMADDWD_512, 32, ""
    ),
    Tier(
        "avx-vnni",
        ("avx2", "avxvnni"),
        ("amx", "avx512"),
        16,
        2,
        4,
        1,
        _PMADDWD_256,
        32,
        _DPBUSD_256,
    ),
    Tier("avx2", ("avx2",), ("amx", "avx512", "avxvnni"), 16, 2, 4, 1, _PMADDWD_256, 16, ""),
    Tier(
        "plain", (), ("amx", "avx", "fma", "f16c", "sse3", "ssse3", "sse4"), 0, 1, 4, 1, "", 0, ""
    ),
)
# 32 registers: 16 sums (high and low bytes), 4 rows of weights, 4 of activations.
ARM_TIERS = (
    Tier("neon-dot", ("dotprod",), (), 16, 2, 4, 1, _SDOT, 16, _SDOT),
    Tier("plain", (), ("dotprod",), 0, 1, 4, 1, "", 0, ""),
)
ARM = ("aarch64", "arm64")
"""LLVM's names of 64-bit ARM."""
_OTHERS = (Tier("plain", (), (), 0, 1, 4, 1, "", 0, ""),)


def tiers_of(architecture: str) -> tuple[Tier, ...]:
    """The tiers of an architecture, best first. It is named as in processor.architecture."""
    if architecture == "x86_64":
        return X86_TIERS
    return ARM_TIERS if architecture in ARM else _OTHERS


def choose(architecture: str, features: Mapping[str, bool], forced: str) -> Tier:
    """The best tier that the features allow, or the tier named `forced`, if that is not empty.

    Raises BadEnvironment if the processor does not have the forced tier, or it does not exist.
    """
    available = [
        tier
        for tier in tiers_of(architecture)
        if all(features.get(feature, False) for feature in tier.needs)
    ]
    if not forced:
        return available[0]
    for tier in available:
        if tier.name == forced:
            return tier
    names = ", ".join(tier.name for tier in available)
    raise BadEnvironment("PYTHIA_SIMD", f"is {forced!r}; this processor has {names}")


def without(tier: Tier, features: Mapping[str, bool]) -> dict[str, bool]:
    """The features for which kernels of this tier are compiled."""
    return {name: on and not name.startswith(tier.lacks) for name, on in features.items()}
