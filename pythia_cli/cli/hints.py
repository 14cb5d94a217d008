"""What to type next: for each error of the library, a command or option that helps."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pythia_cli import errors
from pythia_cli.inside import problems as of_inside
from pythia_cli.measures import lens_problems as of_lenses
from pythia_cli.measures import problems as of_measures
from pythia_cli.pictures import problems as of_pictures
from pythia_cli.sweeps import problems as of_sweeps
from pythia_cli.tables import problems

FEWER_THREADS = "use fewer, with --threads or PYTHIA_THREADS, or allow more (ulimit -u, ulimit -v)"
MORE_FILES = "allow more open files (ulimit -n)"
_OTHER_STORE = "choose another folder with --store or PYTHIA_HOME"
_OTHER_PLACE = "write to another place"
_MOVE = "move away what is in its place"
_LIMITS = {
    errno.EMFILE: MORE_FILES,
    errno.ENFILE: MORE_FILES,
    errno.EFBIG: "allow larger files (ulimit -f)",
}
_ACCESS = {
    errno.EACCES: "ask its owner for access (chmod or chown)",
    errno.EPERM: "ask its owner for access (chmod or chown)",
}
_PLACES = {
    **_ACCESS,
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space",
    errno.ENOENT: "create its folder (mkdir -p)",
    errno.EEXIST: _MOVE,
    errno.EISDIR: _MOVE,
    errno.ENOTDIR: _MOVE,
    errno.ENOTEMPTY: _MOVE,
}


def _damaged(error: Any) -> str:
    return f"pythia checkpoint remove {error.checkpoint}, and install it again"


def _not_installed(error: Any) -> str:
    if error.downloadable:
        return f"pythia download -m {error.model} -c {error.step}"
    return "pythia checkpoint list"


def _no_float_weights(error: Any) -> str:
    model, step = error.checkpoint.model, error.checkpoint.step
    if model == "demo":
        return f"pythia checkpoint remove {error.checkpoint}"
    if error.folder is None:
        return f"pythia download -m {model} -c {step} --keep-original --replace"
    return "-m FOLDER, with its present folder"


def _no_byte_parts(error: Any) -> str:
    from pythia_cli.suite.models import MODELS

    model, step = error.checkpoint.model, error.checkpoint.step
    if model in MODELS:
        return f"pythia download -m {model} -c {step} --replace"
    return f"pythia quantize FOLDER --as {error.checkpoint} --replace, or --precision exact"


def _not_on_hub(error: Any) -> str:
    if error.problem:
        return f"another step; reported problem: {error.problem}"
    # With a model's name, as the active one may be the user's own.
    model = error.checkpoint.model if error.checkpoint is not None else "pythia-410m"
    return f"pythia checkpoint list --available -m {model}"


def _not_authorised(error: Any) -> str:
    if error.status == 403:
        return "ask for access on the repository's page, then hf auth login"
    return "hf auth login, or a valid HF_TOKEN"


def _damaged_download(error: Any) -> str:
    if error.reason.startswith(("cannot be verified", "is a Git LFS pointer")):
        return "another mirror, or unset HF_ENDPOINT"
    return "try again later"


def _resource(error: Any) -> str | None:
    if error.path == "threads":
        return FEWER_THREADS
    if "cannot be written" in error.reason:
        return for_writing(error.__cause__)
    return {**_LIMITS, **_ACCESS}.get(getattr(error.__cause__, "errno", None) or 0)


def _store(error: Any) -> str:
    if Path(error.path).is_symlink():
        return "replace the link with a folder; only the store itself may be a link"
    return for_writing(error.__cause__, _OTHER_STORE)


def for_writing(error: BaseException | None, otherwise: str = _OTHER_PLACE) -> str:
    """What helps where the system does not write, by its error. otherwise: another place."""
    number = getattr(error, "errno", None) or 0
    if number in _LIMITS:
        return _LIMITS[number]
    remedy = _PLACES.get(number)
    ways = [otherwise, remedy] if remedy == _MOVE else [remedy, otherwise]
    return ", or ".join(way for way in ways if way)


def _not_utf8(error: Any) -> str:
    from pythia_cli.cli.text_commands import conversion

    return conversion(error)


def _item(error: Any) -> str | None:
    cause = error.__cause__
    return hint_for(cause) if isinstance(cause, errors.PythiaError) else None


def _missing_column(error: Any) -> str:
    return f"--column {shlex.quote(next(iter(error.nearest), 'NAME'))}"


def _missing_measure_column(error: Any) -> str:
    setting = f"{error.measure}.{error.option}={next(iter(error.nearest), 'NAME')}"
    return f"--set {shlex.quote(setting)}"


def _not_json_lines(error: Any) -> str:
    from pythia_cli.cli.text_commands import file_argument

    what = "'.[]'" if error.is_array else "."
    return f"jq -c {what}{file_argument(str(error.source))}"


def _missing_extra(error: Any) -> str:
    what = error.library if error.extra is None else f"'pythia-cli[{error.extra}]'"
    return f"pip install {what}"


def _unfinished(error: Any) -> str:
    remove = f"remove {error.partial} to begin again"
    if error.difference is None:
        return f"--resume, to go on, or {remove}"
    return f"write to another file, or {remove}"


def _no_sweep(error: Any) -> str:
    return f"pythia sweep {shlex.quote(str(error.folder))} -m MODEL -c STEPS --pairs FILES"


def _nothing_planned(error: Any) -> str:
    if error.missing == "measures":
        return "--pairs FILES, or another measure of pythia sweep run --help"
    return "pythia checkpoint list"


def _locked(error: Any) -> str:
    if error.seconds == 0:
        return "try again when the other process is done"
    return "try again when the other process is done, or with a longer --wait SECONDS"


def _invalid_value(error: Any) -> str | None:
    if error.name == "steps":
        return "1000:10000:1000, for every 1000th step from 1000 to 10000"
    return None


def _unsupported(error: Any) -> str:
    if error.model is not None:
        return f"pythia quantize FOLDER --as NAME@STEP, with another name than {error.model}"
    if error.field in ("model_type", "hidden_act"):
        return "a GPT-NeoX checkpoint with exact GELU, such as EleutherAI/pythia-410m"
    return "another checkpoint, such as EleutherAI/pythia-410m"


_HINTS: tuple[tuple[type[errors.PythiaError], str | Callable[[Any], str | None]], ...] = (
    (of_sweeps.NoSlurm, "a login node of the cluster, or --shard I/N (docs/clusters.md)"),
    (of_sweeps.JobRefused, "--slurm partition=NAME,account=NAME; sinfo lists partitions"),
    (of_sweeps.NoCluster, "the address that dask scheduler prints"),
    (of_sweeps.WorkersEnded, "try again with the same command, which does what is missing"),
    (errors.InvalidValue, _invalid_value),
    (errors.BadEnvironment, lambda error: f"unset {error.variable}"),
    (errors.InvalidName, "pythia checkpoint list, which shows names as MODEL@STEP"),
    (errors.NotUtf8, _not_utf8),
    (of_measures.NoWindows, "longer texts, or a smaller --late"),
    (errors.TextTooShort, "use a longer text, a smaller --context, or --bos"),
    (errors.PromptTooLong, "shorten the prompt, or add --truncate-prompt to keep its end"),
    (errors.AlreadyInstalled, "add --replace to install it again"),
    (errors.UnsupportedModel, _unsupported),
    (errors.NotInstalled, _not_installed),
    (errors.NoFloatWeights, _no_float_weights),
    (errors.NoByteParts, _no_byte_parts),
    (errors.NotOnHub, _not_on_hub),
    (errors.NotCached, "try again with a network connection, without --offline and HF_HUB_OFFLINE"),
    (
        errors.Unreachable,
        "try again after checking the network, its proxies and HF_ENDPOINT, or use"
        " pythia download --from",
    ),
    (errors.Offline, "unset HF_HUB_OFFLINE"),
    (errors.RateLimited, "try again after that, or log in with hf auth login for a higher limit"),
    (
        errors.NotAHub,
        "log in to the network (a captive portal?), check HF_ENDPOINT, and try again",
    ),
    (errors.NetworkError, "try again later"),
    (errors.NotAuthorised, _not_authorised),
    (errors.DamagedCheckpoint, _damaged),
    (errors.DamagedActive, "pythia checkpoint use demo@3000"),
    (errors.DamagedDownload, _damaged_download),
    (errors.NewerFormat, "upgrade pythia, or choose another store with --store"),
    (
        errors.NoRoom,
        "free disk space (pythia checkpoint remove), or choose another disk with --store",
    ),
    (of_sweeps.RoomTooSmall, "--keep-under with a larger size"),
    (errors.StoreNotWritable, _store),
    (errors.ResourceError, _resource),
    (errors.LockTimeout, _locked),
    (
        problems.QuoteError,
        '--no-quotes, if quotes are part of the text; of R, write.table(qmethod = "double")',
    ),
    (problems.ItemError, _item),
    (of_sweeps.MissingMeasureColumn, _missing_measure_column),
    (problems.MissingColumn, _missing_column),
    (problems.NotJsonLines, _not_json_lines),
    (problems.UnevenRows, "--row-length N, the token ids of a row; or fetch the file again"),
    (problems.MissingExtra, _missing_extra),
    (problems.UnfinishedTable, _unfinished),
    (problems.CannotResume, "write to another file"),
    (
        of_lenses.NotTheTunedLens,
        "--tuned with the folder or params.pt that tuned-lens saved for this model",
    ),
    (of_inside.TooLarge, "--values float32"),
    (of_inside.TooManyTensors, "fewer texts, or fewer --names"),
    (of_pictures.TooManyMaps, "fewer checkpoints with -c, or several pictures"),
    (of_sweeps.NoSweep, _no_sweep),
    (of_sweeps.NothingPlanned, _nothing_planned),
    (of_sweeps.PlanInUse, "another folder, or try again when the other process is done"),
    (of_sweeps.NotInTable, "pythia sweep table DIR, which has all names"),
)


def advice(hint: str) -> str:
    """The hint as it ends a message."""
    return hint if hint.startswith("try again") else f"try: {hint}"


def hint_for(error: BaseException) -> str | None:
    """What to type next; None if there is no hint."""
    given: str | None = getattr(error, "hint", None)
    if given is not None:
        return given
    for kind, hint in _HINTS:
        if isinstance(error, kind):
            return hint if isinstance(hint, str) else hint(error)
    return None
