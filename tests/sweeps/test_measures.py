"""Each measure in a sweep gives the figures that it gives alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pythia_cli
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.measures.problems import NoWindows
from pythia_cli.reporting import SILENT
from pythia_cli.sweeps.figures import Figure
from pythia_cli.sweeps.measures import NAMES, measure_of
from pythia_cli.tables.problems import MissingColumn
from pythia_cli.tables.read_table import read_rows


@pytest.fixture(scope="module")
def model(demo_store: Store) -> pythia_cli.Model:
    return pythia_cli.load("demo", 64, store=demo_store, n_threads=1)


def test_every_measure_has_its_options() -> None:
    for name in NAMES:
        assert measure_of(name, {}).name == name
    with pytest.raises(UnknownName, match=r"did you mean pairs\?"):
        measure_of("pair", {})


def test_pairs(inputs: Path, model: pythia_cli.Model, tmp_path: Path) -> None:
    measure = measure_of("pairs", {})
    source = str(inputs / "pairs.jsonl")
    measure.check(source, SILENT)
    figures = measure.take(model, source, tmp_path / "rows.tsv", SILENT)
    rows = [json.loads(line) for line in Path(source).read_text().splitlines()]
    records = model.pairs([(row["sentence_good"], row["sentence_bad"]) for row in rows])
    share = sum(record["correct"] for record in records) / len(records)
    found = {(one.group, one.name): one for one in figures}
    for group in ("a", None):
        assert found[group, "accuracy"].value == pytest.approx(share)
        assert found[group, "accuracy"].n == 4
        assert found[group, "n_ties"].stderr is None
    assert len(list(read_rows(tmp_path / "rows.tsv"))) == 4


def test_surprisal_of_texts_and_of_words_in_rows(
    inputs: Path, model: pythia_cli.Model, tmp_path: Path
) -> None:
    source = str(inputs / "words.tsv")
    texts = Path(source).read_text().splitlines()[1:]
    records = model.surprisal(texts, by="word")
    whole = measure_of("surprisal", {})
    found = {f.name: f for f in whole.take(model, source, tmp_path / "a.tsv", SILENT)}
    mean = sum(record["surprisal"] for record in records) / len(records)
    assert found["surprisal"].value == pytest.approx(mean)
    assert found["surprisal"].n == len(records)
    assert found["surprisal"].stderr is not None

    table = tmp_path / "grouped.tsv"
    words = [(i, word) for i, text in enumerate(texts) for word in text.split()]
    table.write_text("word\tstory\n" + "".join(f"{word}\t{i}\n" for i, word in words))
    grouped = measure_of("surprisal", {"column": "word", "group": "story"})
    grouped.check(str(table), SILENT)
    again = {f.name: f for f in grouped.take(model, str(table), tmp_path / "b.tsv", SILENT)}
    assert again["surprisal"] == found["surprisal"]


def test_choices(model: pythia_cli.Model, tmp_path: Path) -> None:
    source = tmp_path / "q.jsonl"
    rows = [{"context": "The cat", "choices": ["sleeps.", "of the."], "label": 0, "k": "x"}] * 3
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    measure = measure_of("choices", {"group": "k"})
    figures = measure.take(model, str(source), tmp_path / "rows.tsv", SILENT)
    assert {(one.group, one.name) for one in figures} == {
        (group, name) for group in ("x", None) for name in ("acc", "acc_norm", "acc_bytes")
    }
    source.write_text('{"context": "The cat", "choices": ["a", "b"]}\n')
    with pytest.raises(MissingColumn):
        measure_of("choices", {}).check(str(source), SILENT)


def test_memorize(inputs: Path, model: pythia_cli.Model, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"tokens": [1, 2, 3, 4, 5, 6, 7, 8]}\n' * 3)
    measure = measure_of("memorize", {"prompt": "4", "continuation": "4", "limit": 2})
    measure.check(str(source), SILENT)
    found = {f.name: f for f in measure.take(model, str(source), tmp_path / "m.tsv", SILENT)}
    assert found["score"].n == 2
    assert 0 <= (found["score"].value or 0) <= 1


def test_perplexity_of_a_file_and_of_its_items(
    inputs: Path, model: pythia_cli.Model, tmp_path: Path
) -> None:
    text = inputs / "text.txt"
    alone = pythia_cli.perplexity(model, text.read_text(), protocol="lm-eval")
    measure = measure_of("perplexity", {"protocol": "lm-eval"})
    figures = measure.take(model, str(text), tmp_path / "none.tsv", SILENT)
    assert figures[0].name == "perplexity"
    assert (figures[0].value, figures[0].stderr) == (alone.perplexity, alone.stderr)
    assert figures[0].n == alone.totals.n_tokens
    assert not (tmp_path / "none.tsv").exists()
    by_item = measure_of("perplexity", {"by": "item"})
    found = by_item.take(model, str(inputs / "words.tsv"), tmp_path / "rows.tsv", SILENT)
    assert {f.name: f.n for f in found}["perplexity"] == 4
    by_line = measure_of("perplexity", {"by": "line", "protocol": "stride"})
    with pytest.raises(InvalidValue, match="protocol is 'stride'"):
        by_line.check(str(text), SILENT)


def test_icl_of_a_file_and_of_its_items(
    model: pythia_cli.Model, eval_text: str, tmp_path: Path
) -> None:
    text, lines = tmp_path / "text.txt", tmp_path / "lines.tsv"
    text.write_text(eval_text[:3000])
    (alone,) = model.icl([eval_text[:3000]], early=5, late=60)
    measure = measure_of("icl", {"early": "5", "late": "60"})
    measure.check(str(text), SILENT)
    figures = measure.take(model, str(text), tmp_path / "none.tsv", SILENT)
    assert figures[0].name == "icl"
    assert (figures[0].value, figures[0].stderr) == (alone["icl"], alone["stderr"])
    assert figures[0].n == alone["n_windows"]
    assert not (tmp_path / "none.tsv").exists()
    flat = eval_text[:3000].replace("\n", " ").replace('"', "'")
    lines.write_text(f"text\tk\n{flat}\ta\nIt was.\tb\n")
    by_item = measure_of("icl", {"by": "item", "early": 5, "late": 60, "group": "k"})
    by_item.check(str(lines), SILENT)
    found = by_item.take(model, str(lines), tmp_path / "rows.tsv", SILENT)
    kept = {(one.group, one.name): one for one in found}
    assert kept[None, "n_short"].value == 1
    assert kept["b", "icl"].value is None
    assert kept["a", "icl"] == Figure("a", *list(vars(kept[None, "icl"]).values())[1:])


def test_icl_of_texts_that_are_too_short(
    inputs: Path, model: pythia_cli.Model, tmp_path: Path
) -> None:
    with pytest.raises(NoWindows, match="a window needs 500"):
        measure_of("icl", {}).take(model, str(inputs / "text.txt"), tmp_path / "a", SILENT)
    by_item = measure_of("icl", {"by": "item"})
    with pytest.raises(NoWindows, match=r"have .* tokens; a window needs 500"):
        by_item.take(model, str(inputs / "words.tsv"), tmp_path / "rows.tsv", SILENT)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("surprisal", {"base": -1}, "base is -1.0"),
        ("surprisal", {"base": "inf"}, "base is inf"),
        ("surprisal", {"context": 1}, "context is 1; expected a whole number, 2 or more"),
        ("surprisal", {"stride": 0}, "stride is 0"),
        ("surprisal", {"context": 8, "stride": 9}, "stride is 9; expected a whole number, 1 to 8"),
        ("surprisal", {"by": "text", "bos": False}, "bos is False"),
        ("memorize", {"prompt": 0}, "prompt is 0"),
        ("memorize", {"limit": 0}, "limit is 0"),
        ("memorize", {"row_length": 0}, "row_length is 0"),
        ("perplexity", {"context": 1}, "context is 1"),
        ("perplexity", {"protocol": "lm-eval", "bos": False}, "bos is False"),
        ("perplexity", {"protocol": "lm-eval", "context": 8, "stride": 4}, "stride is 4"),
        ("perplexity", {"column": "x"}, "column is 'x'; expected none, as a text is a file"),
        ("perplexity", {"group": "x"}, "group is 'x'"),
        ("perplexity", {"quotes": False}, "quotes is False"),
        ("perplexity", {"by": "line", "column": "x"}, "none, as a text is a line"),
        ("perplexity", {"by": "item", "stride": 0}, "stride is 0"),
        ("icl", {"early": 0}, "early is 0"),
        ("icl", {"late": 50}, "late is 50; expected more than the early token"),
        ("icl", {"early": 1, "bos": False}, "early is 1"),
        ("icl", {"column": "x"}, "column is 'x'; expected none, as a text is a file"),
        ("icl", {"by": "line", "group": "x"}, "none, as a text is a line"),
        ("eval", {"num_fewshot": -1}, "num_fewshot is -1"),
    ],
)
def test_options_that_no_model_has(
    inputs: Path, name: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidValue, match=says):
        measure_of(name, options).check(str(inputs / "words.tsv"), SILENT)


def test_windows_of_a_model_that_is_not_known_yet(inputs: Path) -> None:
    for options in ({"stride": 600}, {"context": 2, "stride": 2}, {"protocol": "llama.cpp"}):
        measure_of("perplexity", options).check(str(inputs / "text.txt"), SILENT)


@pytest.mark.parametrize("name", ["surprisal", "memorize"])
def test_a_table_without_the_column_of_texts(tmp_path: Path, name: str) -> None:
    table = tmp_path / "a.tsv"
    table.write_text("sentence\tk\nThe dogs bark.\t1\n")
    with pytest.raises(MissingColumn, match="has no column 'text'"):
        measure_of(name, {}).check(str(table), SILENT)
    measure_of(name, {"column": "sentence"}).check(str(table), SILENT)


def test_rows_of_other_weights_are_measured_again(
    inputs: Path, model: pythia_cli.Model, demo_store: Store, tmp_path: Path
) -> None:
    measure, source = measure_of("pairs", {}), str(inputs / "pairs.jsonl")
    with pythia_cli.load("demo", 0, store=demo_store, n_threads=1) as other:
        measure.take(other, source, tmp_path / "rows.tsv", SILENT)
    first = list(read_rows(tmp_path / "rows.tsv"))
    measure.take(model, source, tmp_path / "rows.tsv", SILENT)
    second = list(read_rows(tmp_path / "rows.tsv"))
    assert {row["step"] for row in second} == {64}
    assert first[0]["logprob_good"] != second[0]["logprob_good"]
