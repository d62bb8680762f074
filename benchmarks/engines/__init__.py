"""Engines that run one model each, every one in a process of its own, so that a driver can let them take turns."""
