"""`python -m suite` is `panglot`."""

from suite.cli import main

main()
