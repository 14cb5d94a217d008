"""What a sweep keeps beside its plan, so that it goes on in the same way: DIR/how.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.files.publishing import write_json
from pythia_cli.files.reading import read_json_object
from pythia_cli.sweeps.folder import SweepFolder

_NAME = "how.json"


@dataclass(frozen=True)
class KeptOptions:
    """Options that change no figure, and hold until another plan is given.

    keep_under: the size, as it was given. certify: the full path of the text for certificates.
    """

    keep_under: str | None = None
    certify: str | None = None


def read_kept_options(folder: SweepFolder) -> KeptOptions:
    """Those of a sweep; none if it keeps none. Raises IntegrityError and ResourceError."""
    path = folder.path / _NAME
    try:
        found = KeptOptions(**read_json_object(path))
    except NotFound:
        return KeptOptions()
    except TypeError as error:
        raise IntegrityError(path, f"is not what a sweep keeps ({error})") from error
    if not all(isinstance(value, str | None) for value in asdict(found).values()):
        raise IntegrityError(path, "is not what a sweep keeps (a value is no text)")
    return found


def keep_options(folder: SweepFolder, options: KeptOptions) -> None:
    """Keep these in place of earlier ones. Raises IntegrityError and ResourceError."""
    if read_kept_options(folder) == options:
        return
    with folder.changing():
        path = folder.path / _NAME
        folder.remove_unpublished(path)
        write_json(path, asdict(options))
