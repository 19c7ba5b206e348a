"""The two palettes.  Severities differ in lightness too, so that they stay apart for every kind of colour vision."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="dettui-dark",
    dark=True,
    primary="#7aa2d8",
    secondary="#8a8fa3",
    accent="#7fb4d6",
    foreground="#d7dae0",
    background="#14161b",
    surface="#14161b",
    panel="#232730",
    success="#8fbf8f",
    warning="#e6b450",
    error="#f0716b",
)

LIGHT = Theme(
    name="dettui-light",
    dark=False,
    primary="#2b5fa5",
    secondary="#6a6f7c",
    accent="#1f6391",
    foreground="#22252b",
    background="#fbfaf7",
    surface="#fbfaf7",
    panel="#e6e4de",
    success="#2f6f3a",
    warning="#8a5a00",
    error="#b3261e",
)
