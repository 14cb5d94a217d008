"""`pythia quantize`: installs a float checkpoint as int8."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from pythia_cli import settings
from pythia_cli.cli import bus_errors, options
from pythia_cli.cli.content import content_record
from pythia_cli.cli.output import Notices, say_installed


def quantize(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A Hugging Face checkpoint folder or its weights file."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--as", metavar="MODEL@STEP", help="Its name in the store, such as pythia-410m@143000."
        ),
    ],
    certify: options.Certify = None,
    commit: Annotated[
        str | None,
        typer.Option(metavar="SHA", help="Record that the folder holds this commit on the Hub."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an installed checkpoint with this name.")
    ] = False,
    wait: options.Wait = settings.WAIT_SECONDS,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Quantize a float checkpoint to int8 and install it.

    The folder has model.safetensors, pytorch_model.bin or their shards, and config.json and
    tokenizer.json.

    Examples:

      pythia quantize ./pythia-410m --as pythia-410m@143000

      pythia quantize ./my-finetune --as mine@1 --certify held-out.txt
    """
    from pythia_cli.checkpoints.install import install

    bus_errors.watch()
    notices = Notices(quiet=quiet, verbose=verbose)
    started = time.perf_counter()
    where = options.open_store(store)
    (installed,) = install(
        name,
        folder=source,
        store=where,
        replace=replace,
        commit=commit,
        certifier=options.certifier(certify, notices),
        n_threads=threads,
        wait_seconds=wait,
        reporter=notices,
    )
    say_installed(installed, notices)
    content = content_record(installed, where, notices, threads)
    if as_json:
        typer.echo(json.dumps({**installed.to_dict(), "content": content}))
    notices.detail(f"{time.perf_counter() - started:.2f} s")
