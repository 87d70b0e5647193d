"""Show text from outside in one line of output."""

import unicodedata
from collections.abc import Sequence


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


def encodable(text: str) -> str:
    r"""Escape bytes that are not UTF-8, as names of files may have them, so that the text can be written to a file.

    Examples
    --------
    >>> encodable("grün\udcff.png")
    'grün\\udcff.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def for_terminal(text: str) -> str:
    r"""Escape what a terminal would obey (controls, directions of writing), but leave line ends and all spaces.

    Examples
    --------
    >>> for_terminal("a\x1b[2J\nb")
    'a\\x1b[2J\nb'
    """
    if text.isprintable():
        return text
    return "".join(char if _is_shown(char) else printable(char) for char in text)


def listed(names: Sequence[str]) -> str:
    """Join names: `sad`, `sad and angry`, `sad, angry and fear`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _is_shown(char: str) -> bool:
    return char.isprintable() or char == "\n" or unicodedata.category(char) == "Zs"


def one_line(text: str) -> str:
    r"""Replace line ends, controls and repeated spaces by one space each.

    Examples
    --------
    >>> one_line(" Ana\n  Müller\t")
    'Ana Müller'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def counted(count: int, noun: str, many: str = "") -> str:
    """Return a number with its noun in the right form.

    Examples
    --------
    >>> counted(1, "image"), counted(2, "image"), counted(1200, "class", "classes")
    ('1 image', '2 images', '1,200 classes')
    """
    return f"{count:,} {noun if count == 1 else many or f'{noun}s'}"


def clause(count: int, noun: str, verb: str) -> str:
    """Return a number with its noun and the form of a verb that agrees with it; the verb is given for many.

    Examples
    --------
    >>> clause(1, "image", "are"), clause(2, "image", "are")
    ('1 image is', '2 images are')
    """
    one = {"are": "is", "were": "was", "have": "has"}.get(verb, f"{verb}s")
    return f"{counted(count, noun)} {one if count == 1 else verb}"
