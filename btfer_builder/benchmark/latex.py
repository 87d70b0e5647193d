"""Write a table as LaTeX, for a manuscript that loads the package booktabs."""

from collections.abc import Sequence

#: Characters that LaTeX takes for commands, and those that need one to be printed.
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "–": "--", "−": "$-$",
    }
)  # fmt: skip


def escape(text: str) -> str:
    r"""Return a text as LaTeX prints it.

    Examples
    --------
    >>> escape("raf_db 100 %")
    'raf\\_db 100 \\%'
    """
    return text.translate(_ESCAPES)


def latex_table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str, label: str) -> str:
    """Return a floating table, its first column aligned to the left and the others to the right."""
    lines = [escaped_row(row) for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape(caption)}}}\label{{{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            escaped_row(columns),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escaped_row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return " & ".join(escape(cell) for cell in cells) + r" \\"
