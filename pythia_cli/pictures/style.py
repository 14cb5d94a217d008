"""How our pictures look, and their files: SVG, PNG and PDF of matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import InvalidValue
from pythia_cli.files.publishing import write_aside
from pythia_cli.files.writing import writing_errors
from pythia_cli.tables.problems import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# No dates, so that the same data give the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".png": {},
    ".pdf": {"CreationDate": None},
}
SUFFIXES = tuple(_METADATA)
"""The suffixes of the formats."""

MM = 1 / 25.4
"""A millimetre in inches, in which matplotlib counts."""

WIDTH = 160 * MM
"""The width of a picture in inches: that of the text of a page."""

_STYLE = {
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "font.size": 7.5,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.labelspacing": 0.3,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "pythia",
    "text.parse_math": False,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Within the block, matplotlib draws in our style and not in that of the user's settings.

    Raises MissingExtra without matplotlib.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "plot") from error
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # Names may be in any script. In SVG they are text, which the reader's fonts show.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def checked_suffix(suffix: str) -> str:
    """The suffix in small letters. Raises InvalidValue for another one than .svg, .png and .pdf."""
    suffix = suffix.lower()
    if suffix not in _METADATA:
        listed = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise InvalidValue("suffix", suffix, listed)
    return suffix


def picture_bytes(figure: Figure, suffix: str) -> bytes:
    """The figure as the bytes of a file with this suffix, within `plot_style`."""
    data = io.BytesIO()
    figure.savefig(data, format=suffix[1:], metadata=_METADATA[suffix])
    return data.getvalue()


def write_picture(path: Path, data: bytes) -> None:
    """Write a file, which appears whole. Raises ResourceError."""
    with writing_errors(path):
        write_aside(path, data)
