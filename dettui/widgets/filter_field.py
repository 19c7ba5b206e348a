"""The field in which a filter is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterField(Input):
    """An input line that is completed by the tab key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "complete", show=False, priority=True)]

    class Completed(Message):
        """The tab key was pressed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(compact=True, **options)
        self._offered: tuple[str, ...] = ()
        self._turn = 0

    def action_complete(self) -> None:
        """Ask for what may follow."""
        self.post_message(self.Completed())

    def complete(self, offer: Callable[[str], tuple[str, ...]]) -> None:
        """Put the first of what *offer* says in place of what was typed; pressed again at once, the next one."""
        if self.value not in self._offered or len(self._offered) < 2:
            self._offered, self._turn = offer(self.value), 0
        else:
            self._turn = (self._turn + 1) % len(self._offered)
        if self._offered:
            self.value = self._offered[self._turn]
            self.cursor_position = len(self.value)
