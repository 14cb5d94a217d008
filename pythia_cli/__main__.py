"""`python -m pythia_cli`."""

from pythia_cli.cli.app import main

main()
