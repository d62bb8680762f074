"""Routines, chains and networks beside other engines, in turns."""
