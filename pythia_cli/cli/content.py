"""Checks the content of a checkpoint that was just installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed, Store
    from pythia_cli.cli.output import Notices


def content_record(
    installed: Installed, store: Store, notices: Notices, n_threads: int | None
) -> dict[str, Any] | None:
    """The result for the JSON record, with a notice if the weights are not those of its step.

    None if nothing is expected of this name, or if the check failed: it never fails the command,
    whose result is already on the disk.
    """
    from pythia_cli.measures.content import check_content
    from pythia_cli.suite.expected_nll import expected_nll

    checkpoint = installed.checkpoint
    if expected_nll(checkpoint) is None:
        return None
    try:
        found = check_content(store, checkpoint, n_threads=n_threads, reporter=notices)
    except Exception as error:  # such as MemoryError, or no more threads
        reason = error if isinstance(error, PythiaError) else f"{type(error).__name__} {error}"
        notices.say(f"{checkpoint}: its content was not checked: {reason}")
        return None
    if found.problem is not None:
        notices.say(f"{checkpoint}: {found.problem}")
    else:
        notices.detail(f"{checkpoint}: {found.nll:.2f} nats a token of a short English text")
    return found.to_dict()
