"""What a command does, from its arguments to its report: one file or folder a command, of the same name."""
