"""What a checkpoint says of text."""
