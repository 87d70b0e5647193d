"""The command line: one thin function a command; heavy things are imported inside."""
