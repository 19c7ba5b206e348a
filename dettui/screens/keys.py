"""The one key table: it makes the bindings of every screen, and it is the help screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from textual.binding import Binding, BindingType

Where: TypeAlias = Literal[
    "everywhere", "runs", "compare", "run", "finding", "checks", "images", "ranks", "question", "help"
]  # fmt: skip
"""A screen, or all of them."""

WHERES: dict[Where, str] = {
    "everywhere": "Everywhere",
    "runs": "List of runs",
    "compare": "Runs compared",
    "run": "One run",
    "finding": "One finding",
    "checks": "Checks before training",
    "images": "Images as the model was given them",
    "ranks": "Ranks of a job",
    "question": "A question of ssh",
    "help": "This help",
}


@dataclass(frozen=True)
class Key:
    """What one key, or several that do the same, does."""

    keys: str  # Textual's names, comma-separated
    shown: str  # as written in the help and at the foot of the screen
    action: str
    description: str
    where: Where
    hint: str = ""  # one word for the foot of the screen; "" keeps it out of there


def _scrolling(where: Where) -> tuple[Key, ...]:
    """Of a page of text."""
    return (
        Key("up,k", "↑ k", "scroll(-1)", "up", where),
        Key("down,j", "↓ j", "scroll(1)", "down", where, "scroll"),
        *_paging(where),
    )


def _paging(where: Where) -> tuple[Key, ...]:
    return (
        Key("pageup", "page up", "scroll(-10)", "a page up", where),
        Key("pagedown", "page down", "scroll(10)", "a page down", where),
    )


def _zooming(where: Where) -> tuple[Key, ...]:
    """Of curves on one axis."""
    return (
        Key("left,h", "← h", "pan(-1)", "earlier", where),
        Key("right,l", "→ l", "pan(1)", "later", where),
        Key("plus,equals_sign", "+", "zoom(2.0)", "less of the axis, larger", where, "zoom"),
        Key("minus,underscore", "-", "zoom(0.5)", "more of the axis", where),
    )


def _reading(where: Where, values: str) -> tuple[Key, ...]:
    """Of the cursor on curves; *values*: where those under it are shown."""
    return (
        Key("left_square_bracket", "[", "cursor(-1)", f"cursor one column back: {values}", where),
        Key("right_square_bracket", "]", "cursor(1)", "cursor one column on", where),
        Key("left_curly_bracket", "{", "cursor(-20)", "cursor twenty columns back", where),
        Key("right_curly_bracket", "}", "cursor(20)", "cursor twenty columns on", where),
    )


KEYS: tuple[Key, ...] = (
    Key("question_mark,f1", "?", "app.help", "all keys", "everywhere", "help"),
    Key("q,ctrl+c", "q", "app.quit", "quit; training goes on untouched", "everywhere", "quit"),
    Key("d", "d", "app.toggle_light", "light or dark", "everywhere"),
    Key("p", "p", "app.pause", "freeze the display, or go on; nothing is lost", "everywhere", "pause"),
    Key("L", "L", "app.log_in", "call the hosts again that are down, and log in where they ask", "everywhere"),
    # --- runs
    Key("up,k", "↑ k", "move(-1)", "previous run, or head of a group", "runs"),
    Key("down,j", "↓ j", "move(1)", "next run", "runs", "select"),
    Key("home,g", "home g", "move_to_end(-1)", "first run", "runs"),
    Key("end,G", "end G", "move_to_end(1)", "last run", "runs"),
    Key("enter,right,l", "enter", "open", "open the selected run; fold or unfold a group", "runs", "open"),
    Key("left,h", "← h", "fold", "fold the group of the selected run", "runs"),
    Key(
        "slash",
        "/",
        "filter",
        "filter: alpha state:stalled cause:lr* finding:plateau host:gpu* group: name: has: "
        "eval/mAP<0.3 step>100, joined by and or not ( ); tab completes",
        "runs",
        "filter",
    ),
    Key(
        "o", "o", "group", "group by host, by `group=` or seeds of one setting, by name, or not at all", "runs", "group"
    ),
    Key("space", "space", "pick", "pick the run, or its group, for comparing", "runs", "pick"),
    Key("a", "a", "pick_all", "pick all runs that are listed, or let them go", "runs"),
    Key("c", "c", "compare", "lay the picked runs over each other", "runs", "compare"),
    Key("escape", "esc", "clear_filter", "show all runs again; then let the picked ones go", "runs"),
    # --- compare
    Key("up,k", "↑ k", "move(-1)", "previous run", "compare"),
    Key("down,j", "↓ j", "move(1)", "next run", "compare", "select"),
    Key("enter", "enter", "open", "open the selected run", "compare", "open"),
    Key("m", "m", "metric(1)", "next metric", "compare", "metric"),
    Key("M", "M", "metric(-1)", "previous metric", "compare"),
    Key("slash", "/", "choose", "choose the metric by a part of its name; tab completes", "compare"),
    Key("x", "x", "x_scale", "axis: steps, epochs, or time since the start of each run", "compare", "axis"),
    Key("b", "b", "baseline", "measure the others against the selected run, or against none", "compare", "base"),
    Key("g", "g", "band", "seeds of one setting as mean and band, or each run by itself", "compare", "seeds"),
    Key("i", "i", "page", "in what the runs differ, in full", "compare", "differences"),
    Key("space", "space", "hide", "take the selected run out of the charts, or put it back", "compare"),
    Key("s", "s", "smooth", "smoothing: none, light, heavy", "compare", "smooth"),
    Key("y", "y", "log_y", "logarithmic or linear values", "compare", "log"),
    *_zooming("compare"),
    Key("0,f", "0 f", "follow", "the whole axis", "compare"),
    *_reading("compare", "the values of all runs there stand in the table"),
    Key("escape,backspace", "esc", "back", "back: field, cursor, zoom, then the list of runs", "compare", "back"),
    # --- run
    Key("up,k", "↑ k", "finding(-1)", "previous finding", "run"),
    Key("down,j", "↓ j", "finding(1)", "next finding", "run", "finding"),
    Key("n", "n", "jump(1)", "next finding, and show its steps", "run"),
    Key("N", "N", "jump(-1)", "previous finding, and show its steps", "run"),
    Key("enter", "enter", "enter", "show the steps of the finding; once more opens it", "run", "its steps"),
    Key("e", "e", "explain", "open the finding: all evidence, causes, checks, remedies", "run", "explain"),
    Key("c", "c", "checks", "checks before training, and targets that cannot be right", "run", "checks"),
    Key("i", "i", "images", "images as the model was given them, with their boxes", "run", "images"),
    Key("r", "r", "ranks", "ranks side by side: states, times, who is slow and in what", "run", "ranks"),
    *_zooming("run"),
    Key("0,f", "0 f", "follow", "the whole run, following its newest step", "run", "follow"),
    *_reading("run", "its values stand in the titles"),
    Key("1", "1…7", "pane('loss')", "loss and its terms", "run", "panes"),
    Key("2", "2", "pane('lr')", "learning rate", "run"),
    Key("3", "3", "pane('grad')", "gradient norm", "run"),
    Key("4", "4", "pane('update')", "update ratio: how far one step moves the weights", "run"),
    Key("5", "5", "pane('classes')", "classes: how often each occurred", "run"),
    Key("6", "6", "pane('findings')", "findings", "run"),
    Key("7", "7", "pane('eval')", "evaluations, newest and best: where the run logs eval/...", "run"),
    Key("tab", "tab", "cycle(1)", "next pane", "run"),
    Key("shift+tab", "shift-tab", "cycle(-1)", "previous pane", "run"),
    Key("m", "m", "maximise", "the pane alone on the screen, or all again", "run", "max"),
    Key("s", "s", "smooth", "smoothing: none, light, heavy; the raw curve stays under it", "run", "smooth"),
    Key("y", "y", "log_y", "logarithmic or linear values", "run", "log"),
    Key("t", "t", "terms", "loss: the total, all its terms, or one term after the other", "run", "terms"),
    Key("escape,backspace", "esc", "back", "back: cursor, zoom, maximised pane, then the list of runs", "run", "back"),
    # --- finding
    *_scrolling("finding"),
    Key("n", "n", "other(1)", "next finding", "finding", "next"),
    Key("N", "N", "other(-1)", "previous finding", "finding"),
    Key("i", "i", "images", "images that it was raised for, with their boxes", "finding", "images"),
    Key("escape,enter,e,backspace", "esc", "back", "back to the run", "finding", "back"),
    # --- checks
    Key("up,k", "↑ k", "move(-1)", "open the previous check", "checks"),
    Key("down,j", "↓ j", "move(1)", "open the next check", "checks", "next"),
    *_paging("checks"),
    Key("i", "i", "images", "images with targets that cannot be right", "checks", "images"),
    Key("escape,enter,c,backspace", "esc", "back", "back to the run", "checks", "back"),
    # --- images
    Key("right,l", "→ l", "move(1)", "next image", "images"),
    Key("left,h", "← h", "move(-1)", "previous image", "images", "image"),
    Key("b", "b", "boxes", "boxes on or off", "images", "boxes"),
    Key("up,k", "↑ k", "scroll(-1)", "scroll the text beside the picture back", "images"),
    Key("down,j", "↓ j", "scroll(1)", "scroll the text beside the picture", "images", "scroll"),
    Key("escape,enter,i,backspace", "esc", "back", "back to the run", "images", "back"),
    # --- question
    Key("enter", "enter", "agree", "answer", "question"),
    Key("escape", "esc", "refuse", "refuse to answer", "question"),
    # --- ranks
    *_scrolling("ranks"),
    Key("escape,enter,r,backspace", "esc", "back", "back to the run", "ranks", "back"),
    # --- help
    *_scrolling("help"),
    Key("escape,enter,backspace", "esc", "back", "close", "help", "close"),
)


def keys_of(where: Where) -> tuple[Key, ...]:
    """The keys that belong to one screen."""
    return tuple(key for key in KEYS if key.where == where)


def bindings_of(*wheres: Where) -> list[BindingType]:
    """Textual's bindings for one screen, or several groups of keys."""
    return [
        Binding(name, key.action, key.description, show=False)
        for where in wheres
        for key in keys_of(where)
        for name in key.keys.split(",")
    ]
