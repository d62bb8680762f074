"""How long training takes, and whether it can be killed at any moment."""
