"""What the Hub says of a revision is checked before it is used."""

from __future__ import annotations

from typing import Any

import pytest

from pythia_cli.checkpoints.hub_revision import RemoteFile, branch_names, revision_of
from pythia_cli.errors import NotAHub

REPO, COMMIT = "someone/something", "a" * 40
SHA256, BLOB_ID = "0c" * 32, "0d" * 20


def answer(*siblings: Any, **more: Any) -> dict[str, Any]:
    return {"id": REPO, "sha": COMMIT, "siblings": list(siblings), **more}


def sibling(name: Any = "a.bin", **more: Any) -> dict[str, Any]:
    entry = {"rfilename": name, "size": 7, "blobId": BLOB_ID, "lfs": {"sha256": SHA256}}
    return {**entry, **more}


def test_a_revision() -> None:
    found = revision_of(answer(sibling(), sibling("b.json", lfs=None)), REPO, "main")
    assert (found.commit, found.answered_by, str(found)) == (COMMIT, None, f"{REPO} main")
    assert found.files == {
        "a.bin": RemoteFile("a.bin", 7, SHA256, BLOB_ID),
        "b.json": RemoteFile("b.json", 7, None, BLOB_ID),
    }
    assert found.files["a.bin"].digest == SHA256
    assert found.files["b.json"].digest == BLOB_ID


def test_hashes_in_capitals_are_the_same_hashes() -> None:
    entry = sibling(lfs={"sha256": SHA256.upper()}, blobId=BLOB_ID.upper())
    found = revision_of(answer(entry), REPO, "main")
    assert found.files["a.bin"] == RemoteFile("a.bin", 7, SHA256, BLOB_ID)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        5,
        {},
        answer(sha=None),
        answer(sha="../../main"),
        answer(sha=COMMIT + "\n"),
        answer(sha=True),
        answer(siblings=None),
        answer(siblings={"a": 1}),
        answer("a.bin"),
        answer(None),
        answer(sibling(5)),
        answer(sibling(None)),
        answer(sibling(["a.bin"])),
    ],
)
def test_what_is_no_answer_of_a_hub(content: Any) -> None:
    with pytest.raises(NotAHub):
        revision_of(content, REPO, "main")


@pytest.mark.parametrize(
    "fields",
    [
        {"size": None},
        {"size": "7"},
        {"size": True},
        {"size": -5},
        {"size": 7.0},
        {"size": 10**30},
        {"lfs": {"sha256": BLOB_ID}},
        {"lfs": {"sha256": "../../" + SHA256[6:]}},
        {"lfs": {"sha256": 5}},
        {"lfs": {}},
        {"lfs": [SHA256]},
        {"lfs": SHA256},
        {"blobId": "../../x"},
        {"blobId": 5},
        {"lfs": None, "blobId": None},
    ],
)
def test_a_file_that_cannot_be_verified(fields: dict[str, Any]) -> None:
    file = revision_of(answer(sibling(**fields)), REPO, "main").files["a.bin"]
    assert file.digest is None


@pytest.mark.parametrize(
    "name",
    [
        *("../a", "/etc/passwd", "a/b.bin", "..", ".", "", ".hidden", "a\nb", "a.bin\n", "a\0"),
        *(
            "a\\b",
            "a b",
            "model-\u0661-of-\u0662.safetensors",
            "\ud800",
            "C:a",
            "a" * 300,
            "\x1b[31m",
        ),
    ],
)
def test_names_that_are_no_names_here_are_left_out(name: str) -> None:
    assert list(revision_of(answer(sibling(name), sibling()), REPO, "main").files) == ["a.bin"]


def test_another_repository_than_the_one_asked_for() -> None:
    assert revision_of(answer(id="someone/other"), REPO, "main").answered_by == "someone/other"
    for other in (5, None, "../evil", "a/b/c", "a/b\n", REPO.upper()):
        assert revision_of(answer(id=other), REPO, "main").answered_by is None
    assert revision_of({"sha": COMMIT, "siblings": []}, REPO, "main").answered_by is None


def test_branches() -> None:
    assert branch_names({"branches": [{"name": "main"}, {"name": "step1", "x": 1}]}) == [
        "main",
        "step1",
    ]
    for content in (None, {}, {"branches": {}}, {"branches": [5]}, {"branches": [{"name": 5}]}):
        with pytest.raises(NotAHub):
            branch_names(content)
