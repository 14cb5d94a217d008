"""What EleutherAI published: models, shapes, steps, names. Reads no files."""
