"""`python -m cct`."""

from cct.cli.main import main

main()
