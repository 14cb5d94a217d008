"""Write completions/pythia.bash, pythia.zsh and pythia.fish: Typer's own completion scripts.

    python tools/make_completions.py [--check]

The scripts ask the installed `pythia` for its words, so that they change with Typer and not with
our commands.
"""

import sys

from generated import write_or_check
from typer.completion import get_completion_script


def completions() -> dict[str, str]:
    """The scripts by path."""
    return {
        f"completions/pythia.{shell}": get_completion_script(
            prog_name="pythia", complete_var="_PYTHIA_COMPLETE", shell=shell
        )
        + "\n"
        for shell in ("bash", "zsh", "fish")
    } | {"completions/pythia.bash": _bash()}


def _bash() -> str:
    """Keeps bash from splitting words at `@`, because MODEL@STEP is one word."""
    script = get_completion_script(
        prog_name="pythia", complete_var="_PYTHIA_COMPLETE", shell="bash"
    )
    return "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n" + script + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(completions(), "tools/make_completions.py"))
