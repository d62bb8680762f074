"""What several tests use: cases, forged files, the CLI as a process."""
