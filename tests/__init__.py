"""Tests of cct: they mirror the tree."""
