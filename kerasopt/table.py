"""Plain-text tables that are Markdown as well."""

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lays out a table in Markdown, padded so that it reads well as plain text.

    The first column is aligned to the left; the others hold numbers and are aligned to the right.

    ```python
    print(format_table(["Layer", "MACs"], [["dense", "4,096"], ["logits", "640"]]))
    # | Layer  |  MACs |
    # | ------ | ----: |
    # | dense  | 4,096 |
    # | logits |   640 |
    ```
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(cells, widths) for cells in (header, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join([first, *others])} |"
