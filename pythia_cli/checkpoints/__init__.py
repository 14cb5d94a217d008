"""From a branch on the Hub, or a folder, to an installed int8 file."""
