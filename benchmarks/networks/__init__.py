"""Whole networks with random masks: speed, size, parity; nothing about accuracy."""
