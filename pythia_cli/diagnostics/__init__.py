"""How fast this machine is, and what is wrong with its setup."""
