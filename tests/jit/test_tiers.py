"""The tier chosen for given processor features."""

from __future__ import annotations

import pytest

from pythia_cli.errors import UsageError
from pythia_cli.jit.tiers import choose, tiers_of, without

ZEN5 = ("sse2", "sse4.2", "avx", "avx2", "fma", "f16c", "avxvnni", "avx512f", "avx512bw",
        "avx512vnni")  # fmt: skip


SAPPHIRE_RAPIDS = (*ZEN5, "amx-tile", "amx-int8", "amx-bf16")


def features(*names: str) -> dict[str, bool]:
    return {name: name in names for name in (*SAPPHIRE_RAPIDS, "dotprod", "neon")}


@pytest.mark.parametrize(
    ("present", "tier"),
    [
        (SAPPHIRE_RAPIDS, "avx512-amx"),
        (ZEN5, "avx512-vnni"),
        (("avx2", "avx512f", "avx512bw"), "avx512"),
        (("avx2", "avx512f"), "avx2"),
        (("avx2", "avxvnni"), "avx-vnni"),
        (("sse2", "avx"), "plain"),
        ((), "plain"),
    ],
)
def test_the_best_tier_of_an_x86(present: tuple[str, ...], tier: str) -> None:
    assert choose("x86_64", features(*present), "").name == tier


@pytest.mark.parametrize("architecture", ["aarch64", "arm64"])
def test_the_best_tier_of_an_arm(architecture: str) -> None:
    assert choose(architecture, features("neon", "dotprod"), "").name == "neon-dot"
    assert choose(architecture, features("neon"), "").name == "plain"


def test_any_other_processor_has_the_plain_tier() -> None:
    assert choose("riscv64", {}, "").name == "plain"


@pytest.mark.parametrize(
    "forced", ["avx512-amx", "avx512-vnni", "avx512", "avx-vnni", "avx2", "plain"]
)
def test_a_forced_lower_tier_excludes_the_features_of_better_ones(forced: str) -> None:
    tier = choose("x86_64", features(*SAPPHIRE_RAPIDS), forced)
    assert tier.name == forced
    left = {name for name, on in without(tier, features(*SAPPHIRE_RAPIDS)).items() if on}
    assert set(tier.needs) <= left
    better = tiers_of("x86_64")[: tiers_of("x86_64").index(tier)]
    assert all(not set(other.needs) <= left for other in better)
    assert tier.has_amx or not any(name.startswith("amx") for name in left)


@pytest.mark.parametrize("forced", ["avx512", "neon-dot", "AVX2", "best"])
def test_an_unavailable_tier_is_refused_and_the_others_are_listed(forced: str) -> None:
    with pytest.raises(UsageError, match="has avx2, plain"):
        choose("x86_64", features("avx2"), forced)
