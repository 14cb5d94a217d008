#compdef pythia

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
