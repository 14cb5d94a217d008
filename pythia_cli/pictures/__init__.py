"""What pictures and drawings in a terminal have in common, and heat maps. Knows no model."""
