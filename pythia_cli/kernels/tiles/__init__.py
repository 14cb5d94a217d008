"""Register tiles: the inner loops, as LLVM code."""
