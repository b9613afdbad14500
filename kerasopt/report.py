"""How results are displayed: as text, as a table in a notebook, in one line by `repr`."""

import html
import sys
from abc import ABC, abstractmethod
from typing import Any, Self


class Report(ABC):
    """Base class of results whose `str` is Markdown that reads well as plain text.

    `print` shows it as text; a notebook shows the result of a cell as a table.
    """

    _cell: Any = None

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def brief(self) -> str:
        """Returns the short description that `repr` shows."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.brief()}>"

    def printed(self) -> Self:
        """Remembers that it has just been printed; returns itself."""
        object.__setattr__(self, "_cell", _cell())
        return self

    def _ipython_display_(self) -> None:
        # The cell that has printed it does not show it again. IPython falls back to the other
        # methods when this one raises NotImplementedError.
        if self._cell is None or self._cell != _cell():
            raise NotImplementedError

    def _repr_markdown_(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return to_html(str(self))


def _cell() -> int | None:
    """Returns the number of the notebook's cell that is running; `None` outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return None if shell is None else shell.execution_count


def to_html(text: str) -> str:
    """Returns paragraphs and tables (see `format_table`) as HTML."""
    return "\n".join(_block(block.splitlines()) for block in text.split("\n\n"))


def _block(lines: list[str]) -> str:
    if not all(line.startswith("|") for line in lines):
        return f"<p>{'<br>'.join(map(html.escape, lines))}</p>"
    header, _, *rows = lines
    body = "\n".join(_row(row, "td") for row in rows)
    return f"<table>\n<thead>{_row(header, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _row(line: str, tag: str) -> str:
    first, *others = (html.escape(cell.strip()) for cell in line.strip("|").split(" | "))
    # Aligned as in `format_table`: the name to the left, numbers to the right.
    cells = [f'<{tag} style="text-align: left">{first}</{tag}>']
    cells += [f'<{tag} style="text-align: right">{cell}</{tag}>' for cell in others]
    return f"<tr>{''.join(cells)}</tr>"
