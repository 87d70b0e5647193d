"""The one exception a user sees: a line that says what is wrong and what to do next."""


class BtferError(Exception):
    """Work that could not be done; its text is shown as one line and the command exits with 1.

    Name the file or row, say what was expected, and what to do next.
    """


class UnsafeFile(BtferError):
    """A file of somebody else that reaches outside itself; raised before any loader sees it."""
