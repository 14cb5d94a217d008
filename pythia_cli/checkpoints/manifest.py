"""The manifest of an installed checkpoint, in this version of its format and in earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NewerFormat, PythiaError
from pythia_cli.files.reading import read_json_object

MANIFEST = "manifest.json"
VERSION = 2
"""1 (which wrote no version): the weights and the certificate had files of fixed names.
2: the manifest names the weights' file, and the certificate is part of it."""

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


def read_manifest(folder: Path, checkpoint: object) -> dict[str, Any]:
    """The manifest in a checkpoint's folder, in the form of version 2: an older one is completed.

    Raises DamagedCheckpoint, and NewerFormat where a later pythia wrote it.
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
            path, f"version {content['version']}, by a newer pythia; this one reads up to {VERSION}"
        )
    for field, kind in _FIELDS:
        if field not in content or not isinstance(content[field], kind):
            raise DamagedCheckpoint(path, f"damaged: it has no {field}", checkpoint)
    if not content["weights"] or Path(content["weights"]).name != content["weights"]:
        raise DamagedCheckpoint(path, "damaged: it names weights elsewhere", checkpoint)
    return content


def version_1_files(folder: Path) -> list[Path]:
    """What lies beside a manifest of version 1, under names that later ones leave to the user."""
    try:
        if "version" in read_json_object(folder / MANIFEST):
            return []
    except PythiaError:
        return []
    return [folder / FIRST_WEIGHTS, folder / FIRST_CERTIFICATE]


def _first_certificate(folder: Path) -> dict[str, Any] | None:
    path = folder / FIRST_CERTIFICATE
    return read_json_object(path) if path.is_file() else None
