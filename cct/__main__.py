"""`python -m cct`."""

from cct.cli import main

main()
