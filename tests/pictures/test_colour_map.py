"""The colours of values."""

from __future__ import annotations

import matplotlib
import numpy as np

from pythia_cli.pictures.colour_map import NAME, colour_at


def test_a_terminal_has_the_colours_of_a_picture() -> None:
    theirs = matplotlib.colormaps[NAME]
    for i in range(256):
        ours, expected = np.array(colour_at(i / 255)), np.array(theirs(i)[:3]) * 255
        assert np.abs(ours - expected).max() < 7


def test_the_lightness_rises_evenly() -> None:
    colours = np.array([colour_at(share) for share in np.linspace(0, 1, 33)]) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    # CIE 1976 L*: https://en.wikipedia.org/wiki/CIELAB_color_space
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    steps = np.diff(lightness)
    assert (steps > 0.5 * steps.mean()).all()
    assert (steps < 1.7 * steps.mean()).all()
