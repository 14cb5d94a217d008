"""Files that the system can keep in huge pages, where it has them: large weights read faster.

A page of 4 KiB costs a walk of the page tables each time its address has left the processor's
cache of them. Linux keeps a file in the page cache in pieces as large as it was written in, or read
ahead, and maps pieces of 2 MiB as one page (ext4 from 6.16 on, XFS, Btrfs and tmpfs).
"""

from __future__ import annotations

import contextlib
import mmap
from typing import BinaryIO

HUGE_PAGE = 1 << 21
"""The huge pages of x86, and of ARM with pages of 4 KiB."""


def write_in_huge_pages(file: BinaryIO, data: memoryview) -> None:
    """Write bytes so that what reaches the system are whole pieces, each in its own huge page.

    file: with a buffer of HUGE_PAGE bytes; with another one, the pieces are others.
    """
    while data:
        n = HUGE_PAGE - file.tell() % HUGE_PAGE
        file.write(data[:n])
        data = data[n:]


def want_huge_pages(mapped: mmap.mmap) -> None:
    """Let the system read a mapped file ahead, in huge pages. Call it before the first use."""
    for advice in ("MADV_HUGEPAGE", "MADV_WILLNEED"):
        if hasattr(mmap, advice):
            with contextlib.suppress(OSError):  # the system has none, or not here
                mapped.madvise(getattr(mmap, advice))
