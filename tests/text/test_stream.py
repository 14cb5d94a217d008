"""Text as it streams: whole characters only, and nothing that may yet become a stop text."""

from __future__ import annotations

import codecs

from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.stream import TextStream


def naive_stream(pieces: list[bytes], stop: tuple[str, ...]) -> tuple[list[str], bool]:
    """What each piece makes certain, and whether a stop text came; from all the text each time."""
    given_out, outs = "", []
    for i in range(len(pieces) + 1):
        data, last = b"".join(pieces[: i + 1]), i == len(pieces)
        text = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=last)
        places = [text.find(s) for s in stop if s in text]
        if places:
            outs.append(text[len(given_out) : min(places)])
            return outs, True
        certain = len(text)
        if not last:
            for at in range(len(text)):
                if any(s.startswith(text[at:]) for s in stop):
                    certain = at
                    break
        outs.append(text[len(given_out) : certain])
        given_out = text[:certain]
    return outs, False


def stream(pieces: list[bytes], stop: tuple[str, ...]) -> tuple[list[str], bool]:
    text_stream = TextStream(stop)
    outs = []
    for piece in pieces:
        outs.append(text_stream.feed(piece))
        if text_stream.stopped:
            return outs, True
    outs.append(text_stream.feed(b"", last=True))
    return outs, text_stream.stopped


few_letters = st.text(alphabet="ab\u00e9\U0001f600", max_size=12)


@given(
    text=few_letters,
    stop=st.lists(st.text(alphabet="ab\u00e9\U0001f600", min_size=1, max_size=4), max_size=3),
    data=st.data(),
)
def test_a_stream_gives_out_what_is_certain_and_no_more(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    """Cut anywhere, inside characters too, with stop texts that overlap and begin alike."""
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[lo:hi] for lo, hi in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert stream(pieces, tuple(stop)) == naive_stream(pieces, tuple(stop))


@given(pieces=st.lists(st.binary(max_size=4), max_size=8), stop=st.lists(few_letters, max_size=2))
def test_bytes_that_are_no_utf8_become_replacement_characters(
    pieces: list[bytes], stop: list[str]
) -> None:
    stops = tuple(text for text in stop if text)
    assert stream(pieces, stops) == naive_stream(pieces, stops)
    whole = "".join(stream(pieces, ())[0])
    assert whole == b"".join(pieces).decode("utf-8", errors="replace")


def test_no_character_is_split() -> None:
    text_stream = TextStream(())
    outs = [text_stream.feed(bytes([byte])) for byte in "a\u20ac\U0001f600".encode()]
    assert outs == ["a", "", "", "\u20ac", "", "", "", "\U0001f600"]
    assert text_stream.feed(b"\xf0\x9f") == ""
    assert text_stream.feed(b"", last=True) == "\ufffd"


def test_what_may_become_a_stop_text_is_held_until_it_is_none() -> None:
    text_stream = TextStream(("abab!",))
    assert [text_stream.feed(piece) for piece in (b"xa", b"b", b"ab", b"ab")] == ["x", "", "", "ab"]
    assert text_stream.feed(b"c") == "ababc"
    assert text_stream.feed(b"ab") == ""
    assert text_stream.feed(b"", last=True) == "ab"
    assert not text_stream.stopped


def test_the_earliest_stop_text_cuts_and_nothing_follows() -> None:
    text_stream = TextStream(("cd", "bcde"))
    assert text_stream.feed(b"abcdef") == "a"
    assert text_stream.stopped
    assert text_stream.feed(b"more") == text_stream.feed(b"", last=True) == ""
