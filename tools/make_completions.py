"""Write completions/pythia.bash, pythia.zsh and pythia.fish: Typer's scripts, but our own for zsh.

    python tools/make_completions.py [--check]

The scripts ask the installed `pythia` for the words. So they change when Typer changes, and not when
our commands change.
"""

import sys

from generated import write_or_check
from typer.completion import get_completion_script

# Typer's script evaluates what is offered.
_ZSH = r"""#compdef pythia

_pythia_completion() {
  local line word
  local -a offers
  for line in "${(@f)$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" \
      _TYPER_COMPLETE_FISH_ACTION=get-args _PYTHIA_COMPLETE=complete_fish pythia)}"; do
    word=${line%%$'\t'*}
    [[ -n $word ]] && offers+=("${word//:/\\:}:${${line#$word}#$'\t'}")
  done
  if (( $#offers )); then
    _describe pythia offers
  else
    _files
  fi
}

compdef _pythia_completion pythia
"""


def completions() -> dict[str, str]:
    """The scripts by path."""
    return {
        f"completions/pythia.{shell}": get_completion_script(
            prog_name="pythia", complete_var="_PYTHIA_COMPLETE", shell=shell
        )
        + "\n"
        for shell in ("bash", "fish")
    } | {"completions/pythia.bash": _bash(), "completions/pythia.zsh": _ZSH}


def _bash() -> str:
    """bash splits words at `@` by default, but MODEL@STEP is one word."""
    script = get_completion_script(
        prog_name="pythia", complete_var="_PYTHIA_COMPLETE", shell="bash"
    )
    return "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n" + script + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(completions(), "tools/make_completions.py"))
