"""The colours of curves, in charts and in texts beside them."""

from __future__ import annotations

LINE_COLOURS = ("$primary", "#a877c8", "$success", "#cf7f45", "#2a9d8f", "$error", "$foreground", "#998d45")
"""Of the colour classes.  A theme has too few hues that lie apart; the fixed ones are mid-tones, legible on dark and on
light.  The warning colour is left to notes and bands."""
