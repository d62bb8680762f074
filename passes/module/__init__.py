"""Passes over torch modules: which weights go."""
