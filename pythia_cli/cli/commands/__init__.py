"""One file for each command: parses arguments, calls the library, prints the result."""
