"""The loop over checkpoints and items: rows in order, errors with their place, batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import InputError, NotUtf8, PromptTooLong, PythiaError, ResourceError
from pythia_cli.tables.batch_size import Limits
from pythia_cli.tables.grouped import GroupedItems
from pythia_cli.tables.items import Items, open_items
from pythia_cli.tables.joined import JoinedItems
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.problems import ItemError, QuoteError
from pythia_cli.tables.records import RecordList, Records
from pythia_cli.tables.running import RowOf, run_items
from tests.reporting import Recording
from tests.tables.fakes import LENGTH, FakeModel, length

Open = Callable[..., Items]
KEYS = ("model", "step", "precision", "item", "error")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_it(data: bytes, name: str = "a.tsv", **how: Any) -> Items:
            (tmp_path / name).write_bytes(data)
            return stack.enter_context(open_items(tmp_path / name, **how))

        yield open_it


def run(items: Any, measure: Any = length, **how: Any) -> tuple[Records, list[FakeModel], Any]:
    models = how.pop("models", [FakeModel()])
    layout = RowLayout.of(
        items.columns, LENGTH, [items.column], has_file=isinstance(items, JoinedItems)
    )
    table = RecordList(layout.columns)
    how.setdefault("limits", Limits(items=2))
    try:
        done = run_items(items, table, layout, [m.opened for m in models], measure, **how)
    except PythiaError as error:
        done = error
    table.records.progress = table.progress  # type: ignore[attr-defined]
    return table.records, models, done


def test_checkpoints_are_opened_one_at_a_time(opened: Open) -> None:
    models = [FakeModel(step) for step in (64, 512)]

    def measure(model: FakeModel, items: Sequence[Any]) -> Any:
        assert [m.is_open for m in models].count(True) == 1
        return length(model, items)

    items = opened(b"id\ttext\n1\ta\n2\tbb\n3\tccc\n")
    records, _, done = run(items, measure, models=models)
    assert [(row["step"], row["item"], row["id"], row["length"]) for row in records] == [
        (64, 1, "1", 1), (64, 2, "2", 2), (64, 3, "3", 3),
        (512, 1, "1", 1), (512, 2, "2", 2), (512, 3, "3", 3),
    ]  # fmt: skip
    assert list(records[0]) == [*KEYS[:4], "id", "length", "share", "error"]
    assert (done.n_rows, done.n_errors, done.first_error) == (6, 0, None)
    assert [model.asked for model in models] == [[2, 1], [2, 1]]


BAD = b"id\ttext\n1\ta\n2\t\n3\tb\tx\n4\td\xe9\n5\te\n"


def test_the_first_bad_item_ends_the_run_and_what_is_before_it_is_kept(opened: Open) -> None:
    records, models, error = run(opened(BAD), models=[FakeModel(), FakeModel()])
    assert isinstance(error, ItemError)
    assert str(error).endswith("a.tsv, line 3: field 'text' is empty")
    assert [row["item"] for row in records] == [1]
    assert models[1].asked == []
    assert records.progress.checkpoints[0].n_items == 1


def test_errors_are_skipped(opened: Open) -> None:
    failed: list[PythiaError] = []
    records, _, done = run(opened(BAD), skip_errors=True, failed=failed.append)
    assert [(row["item"], row["id"], row["length"]) for row in records] == [
        (1, "1", 1), (2, "2", None), (3, None, None), (4, None, None), (5, "5", 1),
    ]  # fmt: skip
    assert [row["error"] for row in records] == [None, *map(str, failed), None]
    assert [type(error) for error in failed] == [ItemError, ItemError, NotUtf8]
    assert (done.n_rows, done.n_errors, done.first_error) == (5, 3, failed[0])
    assert records.progress.checkpoints[0].n_errors == 3


def test_a_doubtful_quote_ends_the_run_even_then(opened: Open) -> None:
    items = opened(b'id\ttext\n1\ta\n2\t"b\n3\tc\n')
    records, _, error = run(items, skip_errors=True)
    assert isinstance(error, QuoteError)
    assert [row["item"] for row in records] == [1]
    assert not records.progress.checkpoints[0].is_complete


def test_an_error_of_a_measure_gets_its_place(opened: Open) -> None:
    def measure(model: FakeModel, items: Sequence[Any]) -> Any:
        return [PromptTooLong(9, 5) if item.number == 2 else [{"length": 0}] for item in items]

    _, _, error = run(opened(b"text\na\nb\nc\n"), measure)
    assert str(error).endswith("a.tsv, line 3: the prompt has 9 tokens, but the context of this"
                               " model holds 5, including at least one new token")  # fmt: skip
    assert isinstance(error.__cause__, PromptTooLong)

    def other(model: FakeModel, items: Sequence[Any]) -> Any:
        return [InputError("text", "is odd") for item in items]

    assert str(run(opened(b"text\na\n"), other)[2]).endswith("a.tsv, line 2: is odd")


def test_an_error_that_is_of_no_item_ends_the_run(opened: Open) -> None:
    def measure(model: FakeModel, items: Sequence[Any]) -> Any:
        raise ResourceError("threads", "none")

    assert isinstance(run(opened(BAD), measure, skip_errors=True)[2], ResourceError)
    with pytest.raises(ValueError, match="a measure of 2 items returned 0 results"):
        run(opened(b"text\na\nb\n"), lambda model, items: [])


def test_batches_are_bounded_and_no_row_depends_on_them(opened: Open) -> None:
    data = b"text\n" + b"".join(b"x" * (i % 50 + 1) + b"\n" for i in range(500))
    expected, (model,), _ = run(opened(data), limits=Limits(items=1))
    assert model.asked == [1] * 500
    for limits in (Limits(items=7), Limits(n_bytes=100), Limits(seconds=0), Limits()):
        records, (model,), _ = run(opened(data), limits=limits)
        assert list(records) == list(expected)
        assert max(model.asked) <= limits.items
    _, (model,), _ = run(opened(data), limits=Limits(seconds=1e9))
    assert model.asked == [32, 64, 128, 256, 20]
    _, (model,), _ = run(opened(data), limits=Limits(seconds=0))
    assert model.asked[:6] == [32, 16, 8, 4, 2, 1]


def test_progress_counts_the_bytes_of_all_checkpoints(opened: Open) -> None:
    items = opened(b"text\na\nb\nccc\n")
    reporter = Recording()
    run(items, models=[FakeModel(), FakeModel()], reporter=reporter, label="counting")
    task = reporter.of("counting")
    assert task.total == 2 * items.n_bytes
    assert task.done == 2 * (items.n_bytes - len(b"text\n"))
    assert task.ended


def test_carried_columns_with_our_names_are_renamed(opened: Open) -> None:
    items = opened(b"text\titem\tlength\tinput_length\terror\na\t1\t2\t3\t4\n")
    (row,) = run(items)[0]
    assert {name: value for name, value in row.items() if name not in KEYS[:3]} == {
        "item": 1, "input_item": "1", "input_input_length": "2", "input_length": "3",
        "input_error": "4", "length": 1, "share": 0.01, "error": None,
    }  # fmt: skip


WORDS = b"story\tword\n1\tOnce\n1\tupon\n2\tThe\n2\tend\n1\tagain\n"


def by_word(model: FakeModel, groups: Sequence[Any]) -> Any:
    """Each word's length, and that of what comes before it."""
    return [
        [
            RowOf(item, {"length": len(item.text()), "share": float(i)})
            for i, item in enumerate(g.items)
        ]
        for g in groups
    ]


def test_groups(opened: Open) -> None:
    groups = GroupedItems(opened(WORDS, column="word"), "story")
    records, _, _ = run(groups, by_word)
    assert [(row["item"], row["story"], row["length"], row["share"]) for row in records] == [
        (1, "1", 4, 0.0), (2, "1", 4, 1.0), (3, "2", 3, 0.0), (4, "2", 3, 1.0), (5, "1", 5, 0.0),
    ]  # fmt: skip
    assert [group.line for group in groups] == [2, 4, 6]
    assert records.progress.checkpoints[0].n_items == 3


def test_a_value_that_comes_back_is_noted_once(opened: Open) -> None:
    reporter = Recording()
    items = opened(WORDS + b"2\tonce\n", "a.tsv", column="word")
    groups = GroupedItems(items, "story", reporter)
    for _ in range(2):
        assert [len(group.items) for group in groups] == [2, 2, 1, 1]
    (note,) = reporter.notes
    assert note.endswith(
        "a.tsv, line 6: story '1' comes back after other values; only consecutive rows are taken"
        " as one text"
    )
    again = opened(b"story\tword\n1\tOnce\n2\tupon\n", "b.tsv", column="word")
    twice = opened(b"story\tword\n1\tOnce\n2\tupon\n", "c.tsv", column="word")
    quiet = Recording()
    assert len(list(GroupedItems(JoinedItems([again, twice]), "story", quiet))) == 4
    assert quiet.notes == []  # each file has texts of its own


def test_a_bad_row_is_the_error_of_its_group(opened: Open) -> None:
    groups = GroupedItems(opened(WORDS.replace(b"upon", b"upon\tx"), column="word"), "story")
    records, _, done = run(groups, by_word, skip_errors=True)
    assert [(row["item"], row["story"], row["error"] is None) for row in records] == [
        (1, "1", False), (3, "2", True), (4, "2", True), (5, "1", True),
    ]  # fmt: skip
    assert "line 3: has 3 cells" in str(done.first_error)


def test_several_inputs(tmp_path: Path, opened: Open) -> None:
    first, second = opened(b"text\tid\na\t1\n", "a.tsv"), opened(b'{"text": "b"}\n{}\n', "b.jsonl")
    with JoinedItems([first, second]) as items:
        records, _, done = run(items, skip_errors=True)
        assert items.is_file(tmp_path / "b.jsonl")
        assert not items.is_file(tmp_path / "c")
    assert [(row["file"], row["item"], row["id"], row["length"]) for row in records] == [
        (f"{tmp_path}/a.tsv", 1, "1", 1), (f"{tmp_path}/b.jsonl", 2, None, 1),
        (f"{tmp_path}/b.jsonl", 3, None, None),
    ]  # fmt: skip
    assert "b.jsonl, line 2: has no field 'text'" in str(done.first_error)
    again = JoinedItems(
        [opened(WORDS, "a.tsv", column="word"), opened(WORDS, "b.tsv", column="word")]
    )
    assert [len(group.items) for group in GroupedItems(again, "story")] == [2, 2, 1, 2, 2, 1]
