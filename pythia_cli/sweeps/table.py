"""The table of a sweep: all figures that there are, a row each."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.files.publishing import write_aside
from pythia_cli.files.writing import writing_errors
from pythia_cli.sweeps.folder import WHOLE, CellResult, SweepFolder
from pythia_cli.sweeps.plan import Cell, SweepPlan
from pythia_cli.tables.encoders import encoder_of
from pythia_cli.tables.file_formats import table_format
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.parquet_table import check_arrow, write_parquet
from pythia_cli.tables.problems import MissingExtra
from pythia_cli.tables.records import Records

COLUMNS: Mapping[str, Kind] = {
    "model": str,
    "step": int,
    "tokens_seen": int,
    "precision": str,
    "measure": str,
    "input": str,
    "group": str,
    "figure": str,
    "value": float,
    "stderr": float,
    "n": int,
    "weights_sha256": str,
    "quantization": str,
    "cell": str,
    "error": str,
}
CERTIFICATE = "certificate"
"""The measure of rows that say what int8 errs by, where a checkpoint has a certificate."""

DAMAGED = "its result is damaged"
"""How the error of such a row begins."""

_ERRORS = ("kl_mean", "kl_median", "kl_p99", "kl_max", "delta_nll", "top1_agreement")


def table_rows(folder: SweepFolder | str | Path) -> Records:
    """The rows of all cells, in the order of the plan.

    A cell that is not done, or whose result is damaged, has one row without a figure, whose `error`
    says why. Raises NoSweep, and IntegrityError for a damaged plan.
    """
    folder = folder if isinstance(folder, SweepFolder) else SweepFolder(folder)
    return Records(COLUMNS, _rows(folder, folder.read_plan()))


def write_tables(folder: SweepFolder) -> list[Path]:
    """Write table.csv into the folder, and table.parquet if pyarrow is installed."""
    rows = table_rows(folder)
    written = []
    with folder.changing():
        for suffix in (".csv", ".parquet"):
            path = folder.path / f"table{suffix}"
            folder.remove_unpublished(path)
            try:
                write_table(rows, path)
            except MissingExtra:
                continue
            written.append(path)
    return written


def write_table(rows: Records, path: Path, format: str | None = None) -> None:
    """Write rows to a file, atomically: TSV, CSV, JSON lines or Parquet, by its suffix.

    Raises MissingExtra, InvalidValue, ResourceError.
    """
    chosen = table_format(str(path), format)
    with writing_errors(path):
        if chosen != "parquet":
            encoder = encoder_of(chosen, rows.columns)
            text = encoder.header() + "".join(map(encoder.row, rows))
            write_aside(path, text.encode(errors="backslashreplace"))
            return
        check_arrow()
        aside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:12]}")
        try:
            aside.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            write_parquet(aside, path, rows.columns, {"sweep": os.fspath(path.parent.name)})
        finally:
            aside.unlink(missing_ok=True)


def _rows(folder: SweepFolder, plan: SweepPlan) -> Iterator[dict[str, Any]]:
    for checkpoint in plan.checkpoints:
        done = folder.finished(checkpoint)
        certified: CellResult | None = None
        for cell in plan.cells_of(checkpoint):
            if cell.name not in done:
                yield _missing(folder, plan, cell)
                continue
            try:
                result = folder.result(cell)
            except (NotFound, IntegrityError) as error:
                yield {**_missing(folder, plan, cell), "error": f"{DAMAGED}: {error}"}
                continue
            if result.certificate is not None:
                certified = certified or result
            yield from _of_cell(cell, result)
        if certified is not None:
            yield from _of_certificate(certified)


def _missing(folder: SweepFolder, plan: SweepPlan, cell: Cell) -> dict[str, Any]:
    checkpoint = cell.checkpoint
    failure = folder.failure(checkpoint, cell.name) or folder.failure(checkpoint, WHOLE)
    named = checkpoint.to_dict()
    return {
        **dict.fromkeys(COLUMNS),
        **{name: named[name] for name in ("model", "step", "tokens_seen")},
        "precision": plan.dtype if plan.dtype == "float32" else plan.precision,
        "measure": cell.planned.label,
        "input": cell.input.name,
        "cell": cell.name,
        "error": "not measured yet" if failure is None else failure.error,
    }


def _of_cell(cell: Cell, result: CellResult) -> Iterator[dict[str, Any]]:
    for figure in result.figures:
        yield {
            **_identity(result),
            "measure": cell.planned.label,
            "input": cell.input.name,
            "group": figure.group,
            "figure": figure.name,
            "value": figure.value,
            "stderr": figure.stderr,
            "n": figure.n,
            **_provenance(result),
            "cell": cell.name,
            "error": None,
        }


def _of_certificate(result: CellResult) -> Iterator[dict[str, Any]]:
    """The quantization error of the precision in which the cells were measured."""
    certificate = result.certificate or {}
    is_fast = _identity(result)["precision"] == "fast"
    errors = certificate.get("fast", {}) if is_fast else certificate
    for name in _ERRORS:
        if name in errors:
            yield {
                **_identity(result),
                "measure": CERTIFICATE,
                "input": certificate["text_name"],
                "group": None,
                "figure": name,
                "value": errors[name],
                "stderr": None,
                "n": certificate["n_tokens"],
                **_provenance(result),
                "cell": None,
                "error": None,
            }


def _identity(result: CellResult) -> dict[str, Any]:
    named = {name: result.checkpoint[name] for name in ("model", "step", "tokens_seen")}
    how = result.provenance.get("precision") or result.provenance.get("dtype")
    return {**named, "precision": how}


def _provenance(result: CellResult) -> dict[str, Any]:
    return {
        "weights_sha256": result.provenance["source"]["sha256"],
        "quantization": result.provenance["quantization"],
    }
