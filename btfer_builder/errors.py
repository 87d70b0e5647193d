"""The exceptions shown to users: one line with the problem and the next step."""


class BtferError(Exception):
    """An error that is shown as one line; the command exits with 1.

    The message names the file or row, what was expected, and the next step.
    """


class UnsafeFile(BtferError):
    """A third-party file that refers to anything outside itself; raised before a loader opens it."""
