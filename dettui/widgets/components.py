"""A widget whose component styles are worked out when they are asked for."""

from __future__ import annotations

from functools import cache

from textual.css.styles import RenderStyles
from textual.dom import DOMNode
from textual.widget import Widget


class LazyComponents(Widget):
    """Textual matches its rules against every component class of a widget whenever the rules of the widget are
    applied: 860 times before a run's screen is first seen, nearly half of what that takes.  A screen shows a few of
    them."""

    @classmethod
    @cache
    def _get_component_classes(cls) -> frozenset[str]:
        """None that Textual should work out beforehand."""
        return frozenset()

    def get_component_styles(self, *names: str) -> RenderStyles:
        """The styles of the component classes *names*, merged."""
        for name in names:
            if name not in self._component_styles:
                self._component_styles[name] = self._worked_out(name)
        return super().get_component_styles(*names)

    def _worked_out(self, name: str) -> RenderStyles:
        part = DOMNode(classes=name)
        part._attach(self)
        self.app.stylesheet.apply(part)
        return part.styles

    def notify_style_update(self) -> None:
        """Other rules may mean other styles of the components."""
        super().notify_style_update()
        self._component_styles.clear()
