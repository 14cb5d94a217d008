"""`pythia checkpoint current`: prints the active checkpoint."""

from __future__ import annotations

import json

import typer

from pythia_cli.cli import options


def current(store: options.StoreFolder = None, as_json: options.Json = False) -> None:
    """Print the active checkpoint.

    Example:

      pythia checkpoint current
    """
    from pythia_cli.checkpoints.demo import DEFAULT

    checkpoint = options.open_store(store).active() or DEFAULT
    typer.echo(json.dumps(checkpoint.to_dict()) if as_json else str(checkpoint))
