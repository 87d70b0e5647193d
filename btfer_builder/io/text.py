"""Show text from outside in one line of output."""


def printable(text: str) -> str:
    r"""Escape characters that have no place in a line of text: line ends, controls, bytes that are not UTF-8.

    Examples
    --------
    >>> printable("grün\n.keras")
    'grün\\n.keras'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def one_line(text: str) -> str:
    r"""Replace line ends, controls and repeated spaces by one space each.

    Examples
    --------
    >>> one_line(" Ana\n  Müller\t")
    'Ana Müller'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
