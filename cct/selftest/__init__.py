"""`cct selftest`: the library on this machine against the operator's meaning, and against dense convolutions."""
