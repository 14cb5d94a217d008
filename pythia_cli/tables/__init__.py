"""Items in, tables out: what a measure reads from the files people have, and what it writes."""
