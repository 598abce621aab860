"""Training: many members in one compiled program."""
