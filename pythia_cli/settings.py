"""Settings from environment variables: folders, threads, debugging."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pythia_cli.errors import BadEnvironment, InvalidValue, UsageError

WAIT_SECONDS = 3600
"""Seconds to wait for another process that installs the same checkpoint."""


def store_folder() -> Path:
    """The folder of checkpoints: PYTHIA_HOME, or the platform's data folder.

    Raises UsageError if this user has no home folder.
    """
    if home := os.environ.get("PYTHIA_HOME"):
        return expanded(home)
    return _platform_folder("user_data_dir")


def cache_folder() -> Path:
    """The folder of compiled kernels: PYTHIA_CACHE, or the platform's cache folder.

    Raises UsageError if this user has no home folder.
    """
    if cache := os.environ.get("PYTHIA_CACHE"):
        return expanded(cache)
    return _platform_folder("user_cache_dir")


def expanded(folder: str | Path) -> Path:
    """The folder with ~ expanded.

    Raises UsageError for an unknown user, an empty name, or one with a zero byte, and InvalidValue
    for what is no name.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InvalidValue("folder", folder, "the name of a folder")
    try:
        if str(folder) == "":
            raise UsageError("the name of the folder is empty")
        if "\0" in str(folder):
            raise UsageError("the name of the folder holds a zero byte")
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{folder}: {error}") from error


def _platform_folder(function: str) -> Path:
    import platformdirs

    try:
        folder: str = getattr(platformdirs, function)("pythia", appauthor=False)
    except RuntimeError:
        folder = "~"
    if folder.startswith("~"):  # older versions of platformdirs leave it in
        raise UsageError(
            "this user has no home folder; set PYTHIA_HOME (checkpoints) and PYTHIA_CACHE (compiled"
            " kernels) to folders"
        )
    return Path(folder)


def n_threads() -> int | None:
    """PYTHIA_THREADS; None if it is not set.

    Raises BadEnvironment if it is not a positive whole number.
    """
    text = os.environ.get("PYTHIA_THREADS")
    if not text:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", text):
        raise BadEnvironment("PYTHIA_THREADS", f"is {text!r}; expected a positive whole number")
    return int(text)


def simd() -> str:
    """PYTHIA_SIMD: the SIMD tier to compile for; empty for the best one."""
    return os.environ.get("PYTHIA_SIMD", "")


def compiled_for() -> tuple[str, ...]:
    """The settings that change what kernels are compiled for."""
    numba = (f"{n}={value}" for n, value in sorted(os.environ.items()) if n.startswith("NUMBA_"))
    return (simd(), *numba)


def check_hub_variables() -> None:
    """Raises BadEnvironment for a variable with which huggingface_hub could not load, or not ask.

    Call it before huggingface_hub is imported.
    """
    from urllib.parse import urlsplit

    for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
        try:
            int(os.environ.get(name, "0"))
        except ValueError:
            raise BadEnvironment(name, "is not a whole number") from None
    endpoint = os.environ.get("HF_ENDPOINT", "")
    try:
        parts = urlsplit(endpoint)
        sound = not endpoint or (parts.scheme in ("http", "https") and is_host(parts.hostname))
        _ = parts.port
    except ValueError:
        sound = False
    sound = sound and re.search(r"\s", endpoint) is None
    if not sound:
        raise BadEnvironment("HF_ENDPOINT", "is not an http or https address")
    if "?" in endpoint or "#" in endpoint:
        raise BadEnvironment("HF_ENDPOINT", "has a ? or #, which the address of a Hub has not")


def is_host(name: str | None) -> bool:
    """Whether a computer may have this name: its parts are not empty and not too long."""
    try:
        return bool(name) and bool(str(name).encode("idna"))
    except UnicodeError:
        return False


def hub_hosts() -> tuple[str, ...]:
    """The hosts whose pages are those of the Hub: the public ones, and that of HF_ENDPOINT."""
    from urllib.parse import urlsplit

    try:
        own = urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname
    except ValueError:
        own = None
    return ("huggingface.co", "hf.co", *([own] if own else []))


def of_network(*names: str) -> dict[str, str]:
    """Those of these variables (proxies, certificates, tokens) that are set and not empty."""
    return {name: value for name in names if (value := os.environ.get(name))}


def tokenize_in_own_threads() -> None:
    """Keep the tokenizers library from threads of its own: we call it from several (batches.py).

    Its pool has as many as RAYON_NUM_THREADS says, panics if the system allows fewer, and hangs in
    a forked child. Not for the library, where TOKENIZERS_PARALLELISM is the user's.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def go_offline() -> None:
    """Keep huggingface_hub and datasets from the network. For the command line.

    Call it before they are imported.
    """
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"


def bootstrap_in_this_process() -> None:
    """Keep lm-eval from forking a process a core, which would take our signals too.

    For the command line.
    """
    os.environ["DISABLE_MULTIPROC"] = "1"


def debug() -> bool:
    """Whether to show tracebacks of failures (PYTHIA_DEBUG=1)."""
    return os.environ.get("PYTHIA_DEBUG", "") not in ("", "0")


def terminal() -> str:
    """TERM, the kind of terminal; empty if not set."""
    return os.environ.get("TERM", "")


def limit_blas() -> None:
    """Let numpy's BLAS start no threads, unless the user has set how many.

    Our own threads use the cores. Where BLAS cannot start its threads, it raises SIGINT. For the
    command line; called before numpy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def let_waiting_threads_sleep() -> None:
    """Let torch's threads sleep while they wait for each other, unless the user has said how.

    They would spin, which takes time from what they wait for as soon as other jobs run here. For
    the command line; called before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def check_completion() -> None:
    """Raises BadEnvironment if bash's completion is asked for, but not by bash."""
    if os.environ.get("_PYTHIA_COMPLETE") != "complete_bash":
        return
    number = os.environ.get("COMP_CWORD", "")
    if "COMP_WORDS" not in os.environ or re.fullmatch("[0-9]{1,9}", number) is None:
        reason = "is set, but COMP_WORDS and COMP_CWORD are not those of a completion"
        raise BadEnvironment("_PYTHIA_COMPLETE", reason)
