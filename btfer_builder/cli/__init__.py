"""The command line: one thin function for each command, which imports what it needs when it runs."""
