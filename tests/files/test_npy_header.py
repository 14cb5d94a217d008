from __future__ import annotations

import io

import numpy as np
import pytest

from pythia_cli.errors import InputError
from pythia_cli.files.npy_header import npy_header


def saved(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_what_a_header_says() -> None:
    array = np.zeros((2, 3), np.uint16)
    data = saved(array)
    found = npy_header(data, "a.npy")
    assert (found.shape, found.is_fortran, found.dtype) == ((2, 3), False, np.dtype(np.uint16))
    assert len(data) - found.n_bytes == array.nbytes
    assert npy_header(saved(np.asfortranarray(array)), "a.npy").is_fortran


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1 2 3",
        b"\x93NUMPY",
        saved(np.zeros(3))[:50],
        saved(np.zeros(3)).replace(b"{'descr'", b"{'descr\x00"),  # an error of tokenize
        saved(np.zeros(3)).replace(b"(3,)", b"(3,,"),
        b"\x93NUMPY\x09\x00" + saved(np.zeros(3))[8:],
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^a.npy: is not a .npy file of an array of numbers$"):
        npy_header(data, "a.npy")
