#compdef pythia

_pythia_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _PYTHIA_COMPLETE=complete_zsh pythia)
}

compdef _pythia_completion pythia
