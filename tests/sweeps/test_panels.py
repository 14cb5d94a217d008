"""What a plot shows."""

from __future__ import annotations

from pythia_cli.sweeps.panels import N_COLOURS, N_DASHES, looks, panels_of
from tests.sweeps.sweep_rows import row, sweep


def test_a_panel_of_each_measure_and_the_quantization_error_last() -> None:
    rows = sweep(["pythia-70m", "pythia-160m"], [0, 1], certified=True)
    assert [panel.title for panel in panels_of(rows)] == [
        "accuracy (pairs, blimp.jsonl)",
        "perplexity (eval.txt)",
        "kl_mean (quantization error, eval.txt)",
    ]
    assert [panel.title for panel in panels_of(rows, measure="pairs", figure="*")] == [
        "accuracy (pairs, blimp.jsonl)",
        "mean_difference (pairs, blimp.jsonl)",
        "kl_mean (quantization error, eval.txt)",
    ]
    (only,) = panels_of(rows, measure="certificate", figure="top1_agreement")
    assert only.title == "top1_agreement (quantization error, eval.txt)"


def test_the_quantization_error_is_of_the_models_shown() -> None:
    rows = sweep(["pythia-70m", "pythia-160m"], [0], certified=True)
    rows = [r for r in rows if r["measure"] == "certificate" or r["model"] == "pythia-160m"]
    assert [curve.model for curve in panels_of(rows)[-1].curves] == ["pythia-160m"]


def test_a_title_names_what_no_label_does() -> None:
    rows = [row(input=name, group="npi") for name in "ab"]
    (panel,) = panels_of(rows, group="npi")
    assert panel.title == "accuracy (pairs, pythia-70m, npi)"


def test_a_model_has_its_colour_in_all_panels() -> None:
    rows = [row("a", input=text) for text in "xy"] + [row("b", input=text) for text in "xy"]
    rows += [row("b", measure="choices")]
    first, second = looks(panels_of(rows))
    assert [(look.colour, look.dash) for look in first] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [look.colour for look in second] == [1]


def test_with_one_model_inputs_or_groups_have_colours() -> None:
    (found,) = looks(panels_of([row(input=text) for text in "xyz"]))
    assert [look.colour for look in found] == [0, 1, 2]
    (found,) = looks(panels_of([row(group=group) for group in "xyz"], group="*"))
    assert [look.colour for look in found] == [0, 1, 2]


def test_many_curves_differ_in_something() -> None:
    n = 4 * N_COLOURS * N_DASHES
    (found,) = looks(panels_of([row(input=str(i)) for i in range(n)]))
    assert len(set(found)) == n
    assert {look.dash for look in found} == set(range(N_DASHES))
