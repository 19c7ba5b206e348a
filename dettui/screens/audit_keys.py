"""The key table of the browser of an audit: it makes the bindings, and it is the help."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding, BindingType

from dettui.screens.keys import Key

KEYS: Final[tuple[Key, ...]] = (
    Key("question_mark,f1", "?", "help", "all keys and signs", "everywhere", "help"),
    Key("q,ctrl+c", "q", "app.quit", "quit", "everywhere", "quit"),
    Key("right,l", "→ l", "move(1)", "next image", "everywhere"),
    Key("left,h", "← h", "move(-1)", "previous image", "everywhere", "image"),
    Key("n", "n", "suspicious(1)", "next suspicious image", "everywhere", "next suspicious"),
    Key("N", "N", "suspicious(-1)", "previous suspicious image", "everywhere"),
    Key("pagedown", "page down", "move(20)", "twenty images on", "everywhere"),
    Key("pageup", "page up", "move(-20)", "twenty images back", "everywhere"),
    Key("home,g", "home g", "to_end(-1)", "first image: the most suspicious", "everywhere"),
    Key("end,G", "end G", "to_end(1)", "last image", "everywhere"),
    Key(
        "slash", "/", "filter", "only images with a finding, or a file name, that holds a text", "everywhere", "filter"
    ),
    Key("escape", "esc", "back", "close the help, or show all images again", "everywhere"),
    Key("b", "b", "boxes", "boxes on or off", "everywhere", "boxes"),
    Key("down,j", "↓ j", "scroll(1)", "scroll the text beside the picture", "everywhere"),
    Key("up,k", "↑ k", "scroll(-1)", "scroll it back", "everywhere"),
    Key("d", "d", "toggle_light", "light or dark", "everywhere"),
)


def bindings() -> list[BindingType]:
    """Textual's bindings for the table."""
    return [Binding(name, key.action, key.description, show=False) for key in KEYS for name in key.keys.split(",")]
