"""Every figure of README and docs: each package is a command."""
