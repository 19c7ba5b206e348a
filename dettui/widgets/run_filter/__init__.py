"""The language in which runs are filtered: parse, judge, complete."""

from dettui.widgets.run_filter.language import FilterError, Query, parse
from dettui.widgets.run_filter.matching import matches

__all__ = ["FilterError", "Query", "matches", "parse"]
