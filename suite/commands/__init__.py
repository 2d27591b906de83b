"""What a person can type: one file a verb, registered in `suite.cli`. A verb imports what it needs in its body."""
