"""`cct selftest`: the library on this machine against the operator's meaning, and against dense convolutions."""

from cct.selftest.run_self_test import run_self_test as run_self_test
