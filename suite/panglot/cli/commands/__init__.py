"""One file for each command, registered in `panglot.cli.main`. A command imports what it needs in its body."""
