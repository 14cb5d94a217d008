"""An open checkpoint that generates and scores text."""
