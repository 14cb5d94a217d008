"""How far int8 weights may have moved a sum of log-probabilities."""

from __future__ import annotations

import math

from pythia_cli.model.open_model import OpenModel


def certified_kl(model: OpenModel) -> float | None:
    """The mean KL divergence from float32 to this model, nats a token; None if not certified.

    0 for a model in float32.
    """
    if model.dtype == "float32":
        return 0.0
    certificate = model.certificate
    if certificate is None:
        return None
    figures = certificate.get("fast") if model.precision == "fast" else certificate
    return None if figures is None else float(figures["kl_mean"])


def near_tie(kl: float, n_tokens: int) -> float:
    """The largest difference of two log-probabilities at which int8 may have decided, in nats.

    n_tokens: of both together. To second order, a mean KL of `kl` means that the log-probability of
    a token has moved by sqrt(2 kl), root mean square (Kullback 1959, section 2.6). Taken as
    independent, those of n tokens move their sum by sqrt(2 kl n). This is twice that.
    """
    return 2 * math.sqrt(2 * kl * n_tokens)
