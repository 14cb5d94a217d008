"""Run EleutherAI Pythia checkpoints in int8 on a CPU, and measure what they have learnt.

    import pythia_cli as pythia

    with pythia.load("pythia-410m", step=3000) as model:
        print(model.generate("Once upon a time", max_tokens=20, seed=1).text)
        print(model.score("It is a truth universally acknowledged").bits_per_byte)

docs/api.md describes all of it. Each name is imported on first use, so importing this package
takes a few milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pythia_cli import errors as errors
    from pythia_cli.checkpoints.audit import audit as audit
    from pythia_cli.checkpoints.download import download as download
    from pythia_cli.checkpoints.install import install as install
    from pythia_cli.checkpoints.publish import remove as remove
    from pythia_cli.checkpoints.store import Installed as Installed
    from pythia_cli.checkpoints.store import Store as Store
    from pythia_cli.checkpoints.verify import verify as verify
    from pythia_cli.engine.generate import Generated as Generated
    from pythia_cli.engine.generate import GenerateOptions as GenerateOptions
    from pythia_cli.engine.loglikelihood import Loglikelihood as Loglikelihood
    from pythia_cli.engine.sampling import SamplingOptions as SamplingOptions
    from pythia_cli.engine.scored_text import ScoredText as ScoredText
    from pythia_cli.inside.activations import Activations as Activations
    from pythia_cli.inside.patches import Hook as Hook
    from pythia_cli.library.load import checkpoints as checkpoints
    from pythia_cli.library.load import load as load
    from pythia_cli.library.model import Model as Model
    from pythia_cli.measures.certificate import TextCertifier as TextCertifier
    from pythia_cli.measures.content import ContentCheck as ContentCheck
    from pythia_cli.measures.content import check_content as check_content
    from pythia_cli.measures.perplexity import Perplexity as Perplexity
    from pythia_cli.measures.perplexity import perplexity as perplexity
    from pythia_cli.release import __version__ as __version__
    from pythia_cli.reporting import Bars as Bars
    from pythia_cli.reporting import Reporter as Reporter
    from pythia_cli.suite.checkpoint import Checkpoint as Checkpoint
    from pythia_cli.sweeps.making import WantedMeasure as WantedMeasure
    from pythia_cli.sweeps.sweep import Sweep as Sweep
    from pythia_cli.sweeps.sweep import sweep as sweep
    from pythia_cli.tables.read_table import read_rows as read_rows
    from pythia_cli.tables.records import Records as Records

_HOMES = {
    "Activations": "inside.activations",
    "Bars": "reporting",
    "Checkpoint": "suite.checkpoint",
    "ContentCheck": "measures.content",
    "GenerateOptions": "engine.generate",
    "Generated": "engine.generate",
    "Hook": "inside.patches",
    "Installed": "checkpoints.store",
    "Loglikelihood": "engine.loglikelihood",
    "Model": "library.model",
    "Perplexity": "measures.perplexity",
    "Records": "tables.records",
    "Reporter": "reporting",
    "SamplingOptions": "engine.sampling",
    "ScoredText": "engine.scored_text",
    "Store": "checkpoints.store",
    "Sweep": "sweeps.sweep",
    "TextCertifier": "measures.certificate",
    "WantedMeasure": "sweeps.making",
    "__version__": "release",
    "audit": "checkpoints.audit",
    "check_content": "measures.content",
    "checkpoints": "library.load",
    "download": "checkpoints.download",
    "errors": "errors",
    "install": "checkpoints.install",
    "load": "library.load",
    "perplexity": "measures.perplexity",
    "read_rows": "tables.read_table",
    "remove": "checkpoints.publish",
    "sweep": "sweeps.sweep",
    "verify": "checkpoints.verify",
}
"""Each public name, and its module."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    found = module if name == "errors" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
