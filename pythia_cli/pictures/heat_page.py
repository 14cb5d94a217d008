"""Where heat maps are on a page: several small ones, in rows, a group below another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pythia_cli.pictures.heat_map import HeatGroup, HeatMap
from pythia_cli.pictures.problems import TooManyMaps
from pythia_cli.pictures.style import MM, WIDTH

_HEIGHT = 230 * MM  # at most: an A4 page with its margins
_NARROWEST, _WIDEST = 7.5 * MM, 60 * MM  # of a map
_NARROWEST_CELL, _WIDEST_CELL = 1 * MM, 6 * MM  # of a map alone
_MOST_AT_FIRST = 5  # maps in a row, before they are made smaller
_GAP, _LABELLED_GAP = 2.5 * MM, 7 * MM  # between maps; if each has names of its own rows
_LEFT, _RIGHT = 11 * MM, 3 * MM  # room for the names of rows
_NAME, _LABELS, _HEADING = 4 * MM, 7.5 * MM, 5 * MM
_TITLE, _SCALE = 6 * MM, 12 * MM
LETTER = 0.6 / 72
"""The width of a letter, on average, in inches for each point of its size."""
SMALL = 6.0
"""The size of labels in points."""
LONGEST_LABEL = 14
"""Characters of the name of a row or column."""
_FLATTEST, _TALLEST = 0.3, 2.0  # height of a map by its width


@dataclass(frozen=True)
class PlacedMap:
    """A map and its box in inches from the left and the top of the page.

    is_first: in its row. is_last: no map of its group is below it.
    """

    name: str
    map: HeatMap
    left: float
    top: float
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class HeatPage:
    """A page with `n_across` maps in a row, each of `width` and `height`; lengths are in inches.

    left: room for the names of rows. labels: for those of columns, below a group. gap: between
    maps. row_height: of a row of maps with their names, and with those of columns if maps differ in
    shape.
    """

    groups: Sequence[HeatGroup]
    has_title: bool
    n_across: int
    width: float
    height: float
    left: float
    labels: float
    gap: float
    row_height: float

    @classmethod
    def of(cls, groups: Sequence[HeatGroup], *, has_title: bool) -> HeatPage:
        """The page with the largest maps that fit. Raises TooManyMaps if none do."""
        most = max(len(group.maps) for group in groups)
        for n_across in itertools.count(min(most, _MOST_AT_FIRST)):
            page = cls._with(groups, has_title, n_across)
            if page.width < _NARROWEST:
                break
            if page.page_height <= _HEIGHT:
                return page
        n_across = int((WIDTH - page.left - _RIGHT + page.gap) / (_NARROWEST + page.gap))
        page = cls._with(groups, has_title, n_across)
        around = page.page_height - page.n_rows * page.row_height
        n_rows = int((_HEIGHT - around) / page.row_height)
        raise TooManyMaps(sum(len(group.maps) for group in groups), max(n_rows * n_across, 0))

    @classmethod
    def _with(cls, groups: Sequence[HeatGroup], has_title: bool, n_across: int) -> HeatPage:
        maps = [one for group in groups for _, one in group.maps]
        longest = max(min(len(label), LONGEST_LABEL) for one in maps for label in one.labels[0])
        left = _LEFT + max(longest - 2, 0) * LETTER * SMALL
        is_alike = len({one.values.shape for one in maps}) == 1
        gap = _GAP if is_alike else _LABELLED_GAP
        n_columns = max(one.values.shape[1] for one in maps)
        room = (WIDTH - left - _RIGHT - (n_across - 1) * gap) / n_across
        wanted = min(n_columns * _WIDEST_CELL, max(n_columns * _NARROWEST_CELL, _WIDEST))
        width = min(room, max(wanted, 2 * _NARROWEST))
        ratio = max(one.values.shape[0] / one.values.shape[1] for one in maps)
        height = width * min(max(ratio, _FLATTEST), _TALLEST)
        names = [label for one in maps for label in one.column_labels or ()]
        labels = _LABELS + min(max(map(len, names), default=0), LONGEST_LABEL) * LETTER * SMALL
        row_height = height + _NAME
        if not is_alike:
            row_height, labels = row_height + labels, 0.0
        return cls(groups, has_title, n_across, width, height, left, labels, gap, row_height)

    @property
    def n_rows(self) -> int:
        """How many rows of maps there are."""
        return sum(math.ceil(len(group.maps) / self.n_across) for group in self.groups)

    @property
    def page_height(self) -> float:
        """Of all of it, in inches."""
        headings = sum(_HEADING for group in self.groups if group.heading)
        title = _TITLE if self.has_title else 0.0
        return (
            title
            + headings
            + self.n_rows * self.row_height
            + len(self.groups) * self.labels
            + _SCALE
        )

    def placed(self) -> Iterator[PlacedMap | tuple[str, float]]:
        """Each map, and before those of a group its heading with its place from the top."""
        top = _TITLE if self.has_title else 0.0
        for group in self.groups:
            if group.heading:
                yield group.heading, top
                top += _HEADING
            for at, (name, one) in enumerate(group.maps):
                row, column = divmod(at, self.n_across)
                yield PlacedMap(
                    name,
                    one,
                    self.left + column * (self.width + self.gap),
                    top + row * self.row_height + _NAME,
                    is_first=column == 0,
                    is_last=at + self.n_across >= len(group.maps),
                )
            top += math.ceil(len(group.maps) / self.n_across) * self.row_height + self.labels
