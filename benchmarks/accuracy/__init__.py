"""What pruning costs in accuracy, and what it gains in measured time."""
