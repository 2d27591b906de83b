"""`python -m panglot` is `panglot`."""

from panglot.cli.main import main

main()
