"""Reads the manifest of an installed checkpoint, in this and earlier versions of its format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NewerFormat
from pythia_cli.files.reading import read_json_object
from pythia_cli.release import ARITHMETIC
from pythia_cli.weights.source import SHA256, Source

MANIFEST = "manifest.json"
VERSION = 2
"""1 (which has no version field): the weights and the certificate are files with fixed names.
2: the manifest names the weights file, and includes the certificate."""

FIRST_WEIGHTS = "model.int8.safetensors"
FIRST_CERTIFICATE = "certificate.json"

_FIELDS = (
    ("model", str),
    ("step", int),
    ("weights", str),
    ("source", dict),
    ("source_files", dict),
    ("source_folder", str | None),
    ("quantization", str),
    ("tokenizer_sha256", str),
    ("certificate", dict | None),
    ("created", str),
)
_NO_HASH = "0" * 64
_MOST = 1 << 128  # the inodes of some systems have so many bits
_FILE_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_manifest(folder: Path, checkpoint: object) -> dict[str, Any]:
    """Read the manifest in a checkpoint's folder; an older one is converted to version 2.

    Raises NotFound, DamagedCheckpoint, and NewerFormat if a newer pythia wrote it.
    """
    path = folder / MANIFEST
    try:
        content = read_json_object(path)
        if "version" not in content:
            content.setdefault("weights", FIRST_WEIGHTS)
            content.setdefault("certificate", _first_certificate(folder))
        elif type(content["version"]) is not int or content["version"] < VERSION:
            raise IntegrityError(path, "damaged: it has no valid version")
    except IntegrityError as error:
        raise DamagedCheckpoint(error.path, error.reason, checkpoint) from error
    if content.get("version", 1) > VERSION:
        raise NewerFormat(
            path,
            f"version {content['version']}, written by a newer pythia;"
            f" this one reads up to version {VERSION}",
        )
    try:
        _check(content)
    except ValueError as error:
        raise DamagedCheckpoint(path, f"damaged: {error}", checkpoint) from error
    return content


def certificate_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The certificate; without that of precision "fast", if its arithmetic was another version."""
    found: dict[str, Any] | None = manifest["certificate"]
    if found is None:
        return None
    of_fast = found.get("fast")
    if isinstance(of_fast, dict) and of_fast.get("arithmetic", 1) == ARITHMETIC["fast"]:
        return found
    return {name: value for name, value in found.items() if name != "fast"}


def _check(content: dict[str, Any]) -> None:
    """Raises ValueError, with the field, for content that no pythia wrote."""
    for field, kind in _FIELDS:
        if field not in content:
            raise ValueError(f"it has no {field}")
        value = content[field]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{field} is of the wrong type")
        _check_plain(field, value)
    Source.from_dict(content["source"])
    if not _FILE_NAME.fullmatch(content["weights"]):
        raise ValueError("weights is not the name of a file beside it")
    for field in ("tokenizer_sha256", "header_sha256"):
        value = content.get(field, _NO_HASH)  # earlier manifests have no header_sha256
        if not isinstance(value, str) or not SHA256.fullmatch(value):
            raise ValueError(f"{field} is no hash")


def _check_plain(field: str, value: Any) -> None:
    """Raises ValueError for numbers that do not fit a float, and for what no path may hold."""
    if isinstance(value, dict):
        _check_plain(field, [*value, *value.values()])
    elif isinstance(value, list):
        for inner in value:
            _check_plain(field, inner)
    elif isinstance(value, str):
        if "\0" in value:
            raise ValueError(f"{field} holds a zero byte")
    elif value is not None and not abs(value) < _MOST:
        raise ValueError(f"{field} holds a number out of range")


def _first_certificate(folder: Path) -> dict[str, Any] | None:
    path = folder / FIRST_CERTIFICATE
    return read_json_object(path) if path.is_file() else None
