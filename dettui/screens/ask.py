"""A question of ssh, over whatever is on the screen: a password, a one-time code, whether a host is the right one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from dettui.domain.question import Question, QuestionKind
from dettui.screens.keys import bindings_of
from dettui.widgets.text import harmless

HINTS: dict[QuestionKind, str] = {
    "secret": "enter sends it; it is not shown and kept nowhere · esc refuses",
    "yes_no": "type yes, no, or the fingerprint that you were told · esc refuses",
    "confirm": "enter agrees · esc refuses",
    "notice": "waiting for you · esc gives up",
}
REPEATED = "The last answer was not accepted."


class AskScreen(ModalScreen[str | None]):
    """Shows one question in the words of whoever asks; its result is the answer, None for a refusal."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("question")
    DEFAULT_CSS = """
    AskScreen {
        align: center middle;
        background: $background 60%;

        & > Vertical {
            width: 90%;
            max-width: 84;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            background: $panel;
            color: $foreground;
            overflow-y: auto;
        }
        & Static { height: auto; }
        & #asker { text-style: bold; color: $warning; }
        & #repeated { color: $error; text-style: bold; }
        & #asked { margin: 1 0; }
        & #answer { height: 1; background: $background; padding: 0 1; }
        & #how { margin-top: 1; color: $secondary; }
        &:nocolor #how { text-style: dim; }
    }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        """Who asks, what is asked, and where to type."""
        question = self.question
        with Vertical():
            yield Static(f"? ssh asks, on the way to {harmless(question.host)}", id="asker", markup=False)
            if question.is_repeated:
                yield Static(REPEATED, id="repeated", markup=False)
            text = "\n".join(map(harmless, question.text.strip().splitlines()))
            yield Static(text, id="asked", markup=False)
            if question.kind in ("secret", "yes_no"):
                yield Input(id="answer", password=question.kind == "secret", compact=True)
            yield Static(HINTS[question.kind], id="how", markup=False)

    def on_mount(self) -> None:
        """Type right away."""
        for field in self.query(Input):
            field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The answer is what was typed."""
        self.dismiss(event.value)

    def action_agree(self) -> None:
        """Agree, where that is all that is asked."""
        if self.question.kind == "confirm":
            self.dismiss("")

    def action_refuse(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
