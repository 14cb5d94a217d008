"""Register tiles: LLVM code of the inner loops."""
