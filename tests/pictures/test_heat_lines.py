"""Heat maps in a terminal."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import InvalidValue
from pythia_cli.pictures.colour_map import colour_at
from pythia_cli.pictures.heat_lines import NARROWEST, heat_lines
from pythia_cli.pictures.heat_map import HeatMap
from tests.pictures.maps import heads, of

NAN = math.nan
LACKS = "\u00d7"  # the sign of multiplication


def plain(line: str) -> str:
    """A line without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", line)


def test_levels_and_missing_values() -> None:
    one = of([[0, 1, 2], [7, 8, NAN]], low=0, high=8, value_name="score")
    assert heat_lines([one], 40, colours=False) == [
        "    column",
        "row 0 1 2",
        "  0 ▁▁▂▂▃▃",
        f"  1 ████{LACKS}{LACKS}",
        "",
        f"score  0 ▁▂▃▄▅▆▇█ 8  {LACKS} no value",
    ]
    one = replace(one, values=one.values[:1], high=2)
    assert heat_lines([one], 40, colours=False, ascii=True)[2:] == [
        "  0 ..++@@",
        "",
        "score  0 .:-=+*#%@ 2",
    ]


def test_colours() -> None:
    lines = heat_lines([of([[0, 0, 1, NAN]])], 40, colours=True)
    first, last = (f"\x1b[48;2;{';'.join(map(str, colour_at(share)))}m" for share in (0, 1))
    assert lines[2] == f"  0 {first}    \x1b[0m{last}  \x1b[0m{LACKS}{LACKS}"
    assert lines[-1].startswith(f"0 {first} \x1b[0m")
    assert plain(lines[-1]) == f"0 {'':24} 1  {LACKS} no value"


def test_24_layers_of_16_heads_twice_in_80_columns() -> None:
    for colours in (False, True):
        lines = [plain(line) for line in heat_lines(heads(), 80, colours=colours)]
        assert lines[0] == "pythia-410m"
        assert lines[2] == "induction"
        assert re.fullmatch("step 0 +step 3000", lines[3])
        assert lines[5].split() == 2 * ["layer", *map(str, range(0, 16, 2))]
        assert len(lines) == 6 + 24 + 2
        assert max(map(len, lines)) <= 80
    assert heat_lines(heads(), 80, colours=True)[2] == "\x1b[1minduction\x1b[0m"


def test_maps_that_do_not_fit_beside_one_another_are_below() -> None:
    lines = heat_lines(heads(), 60, colours=False)
    assert [line for line in lines if line.startswith("step")] == ["step 0", "step 3000"]
    panels = heat_lines(heads([0], ["induction", "previous-token"]), 80, colours=False)
    assert re.fullmatch("induction, step 0 +previous-token, step 0", panels[2])


def test_wide_maps() -> None:
    narrow = heat_lines(heads([0], shape=(36, 40)), 60, colours=False)
    assert len(narrow[6]) == 46
    assert narrow[5].split() == ["layer", *map(str, range(0, 40, 5))]
    parts = heat_lines(heads([0], shape=(2, 100)), 60, colours=False)
    assert [line for line in parts if line.startswith("step")] == [
        "step 0, head 0 to 53",
        "step 0, head 54 to 99",
    ]
    heads_of_parts = [line.split()[1:] for line in parts if line.startswith("layer")]
    # 100 does not occur, so that every fifth column has room for its number.
    assert heads_of_parts == [[str(n) for n in range(0, 51, 5)], [str(n) for n in range(55, 96, 5)]]


def test_names_of_rows_and_columns() -> None:
    one = of([[1, 2]] * 2, row_labels=["attention", "x" * 30], column_labels=["norm", "spectrum"])
    lines = heat_lines([one], 60, colours=False)
    assert lines[1] == "row          norm     spectrum"
    assert lines[2] == "   attention ▁▁▁▁▁▁▁▁▁█████████"
    assert lines[3].startswith("xxxxxx…xxxxx ")
    steps = [str(2**i) for i in range(20)]
    lines = heat_lines([of([range(20)], column_labels=steps)], 60, colours=False)
    assert lines[1].split() == ["row", *steps[::5]]


@pytest.mark.parametrize("value", [0.0, -3.5, 1e300])
def test_one_value(value: float) -> None:
    lines = heat_lines([of([[value, value]])], 40, colours=False)
    assert lines[2] == "  0 ▁▁▁▁"
    assert lines[-1].endswith(" ▁")


def test_no_values_and_no_maps() -> None:
    lines = heat_lines([of([[NAN, NAN]])], 40, colours=True)
    assert lines[2:] == [f"  0 {LACKS * 4}", "", f"{LACKS} no value"]
    with pytest.raises(InvalidValue):
        heat_lines([], 40, colours=False)


def test_ascii_and_controls() -> None:
    one = HeatMap("日\x1b[2J", "layer…", "head", np.zeros((1, 1)), panel="a\nb", name="é")
    lines = heat_lines([one], 40, colours=False, ascii=True)
    assert "".join(lines).isascii()
    assert "".join(lines).isprintable()
    assert lines[0] == "?\\x1b[2J"


@given(
    st.integers(1, 60), st.integers(1, 130), st.integers(0, 120), st.booleans(), st.integers(1, 5)
)
def test_no_line_is_wider_than_the_terminal(
    n_rows: int, n_columns: int, width: int, colours: bool, n_maps: int
) -> None:
    maps = heads(range(n_maps), shape=(n_rows, n_columns))
    lines = [plain(line) for line in heat_lines(maps, width, colours=colours)]
    assert max(map(len, lines)) <= max(width, NARROWEST)
    rows = [line for line in lines if re.match(r" *\d+ [▁▂▃▄▅▆▇█ ]+", line)]
    assert len(rows) >= n_rows
