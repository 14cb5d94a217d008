"""Files: read and hashed whole, published whole or not at all, locked between processes."""
