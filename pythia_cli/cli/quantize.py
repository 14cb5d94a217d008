"""`pythia quantize`: a float checkpoint into the store, as int8."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from pythia_cli.cli import opening, options
from pythia_cli.cli.render import Notices


def quantize(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A Hugging Face checkpoint folder, or its weights file."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--as", metavar="MODEL@STEP", help="Its name in the store, as pythia-410m@143000."
        ),
    ],
    certify: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Measure int8 against float32 on this text file, and keep the figures.",
        ),
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option(metavar="SHA", help="The Hub's commit that the folder holds, to be recorded."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an installed checkpoint of that name.")
    ] = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Quantize a float checkpoint to int8 and install it.

    Reads model.safetensors, pytorch_model.bin or their shards beside config.json and
    tokenizer.json.

    Examples:

      pythia quantize ./pythia-410m --as pythia-410m@143000

      pythia quantize ./my-finetune --as mine@1 --certify held-out.txt
    """
    from pythia_cli.errors import UsageError
    from pythia_cli.hf_checkpoint import INDEX_FILES, SINGLE_FILES
    from pythia_cli.suite import parse_name

    notices = Notices(quiet=quiet, verbose=verbose)
    checkpoint = parse_name(name)
    where = opening.open_store(store)
    if not replace and where.find(checkpoint) is not None:
        raise UsageError(
            f"{checkpoint} is already installed",
            hint="add --replace to make it anew from this folder",
        )
    if source.is_file() and source.name in (*SINGLE_FILES, *INDEX_FILES):
        source = source.parent  # as named in the Hugging Face cache
    started = time.perf_counter()
    installed = opening.publish(source, checkpoint, commit, where, notices, certify, threads)
    certificate = installed.certificate()
    if as_json:
        record = {
            **installed.manifest(),
            "folder": str(installed.folder),
            "certificate": certificate,
        }
        typer.echo(json.dumps(record))
    n_bytes = installed.weights.stat().st_size
    notices.say(f"installed {checkpoint}: {n_bytes / 1e6:.1f} MB in {installed.folder}")
    if certificate is not None:
        notices.say(
            f"int8 against float32 on {certificate['n_tokens']} tokens of"
            f" {certificate['text_name']}:"
            f" nll {certificate['delta_nll']:+.2g} nats a token,"
            f" KL mean {certificate['kl_mean']:.2g}, median {certificate['kl_median']:.2g},"
            f" 99 % {certificate['kl_p99']:.2g}, max {certificate['kl_max']:.2g},"
            f" top-1 agreement {certificate['top1_agreement']:.2%}"
        )
    notices.detail(f"{time.perf_counter() - started:.2f} s")
