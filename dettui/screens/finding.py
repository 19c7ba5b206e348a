"""One finding on a page of its own: everything that was measured, every cause, every check and remedy."""

from __future__ import annotations

from typing import TypeAlias

from dettui.domain.finding import Finding
from dettui.domain.frame import Frame, RunFrame
from dettui.screens.asked import ImagesAsked
from dettui.screens.keys import Where, bindings_of
from dettui.screens.one_run import OneRunScreen
from dettui.widgets.checks_text import checks_named_in
from dettui.widgets.finding_text import around, page
from dettui.widgets.lines import LinesView
from dettui.widgets.text import Line, Span, paragraph

Identity: TypeAlias = "tuple[str, int, int]"


class FindingScreen(OneRunScreen):
    """Follows one finding of one run for as long as the run reports it."""

    where: Where = "finding"
    BINDINGS = bindings_of("everywhere", "finding")

    def __init__(self, run: str, finding: Finding) -> None:
        super().__init__(run)
        self.finding = finding

    def draw_run(self, run: RunFrame, frame: Frame) -> None:
        """Show the finding as *frame* has it; one that is gone stays as it was last seen, and says so."""
        newest = same_finding(self.finding, run.diagnosis.findings)
        self.finding = newest or self.finding
        view = self.query_one("#page", LinesView)
        gone = () if newest else _gone(view.columns)
        view.show((*gone, *page(self.finding, view.columns, around(run))))

    def action_other(self, by: int) -> None:
        """Turn to the next or the previous finding of the run."""
        run = self.run_frame
        findings = run.diagnosis.findings if run else ()
        now = same_finding(self.finding, findings)
        if now is not None:
            self.finding = findings[(findings.index(now) + by) % len(findings)]
            self.query_one("#page", LinesView).scroll_home(animate=False)
            self.redraw()

    def action_images(self) -> None:
        """Open the images, at one that this finding was raised for."""
        self.post_message(ImagesAsked(self.run_id, checks_named_in(self.finding)))


def same_finding(finding: Finding, among: tuple[Finding, ...]) -> Finding | None:
    """*finding* as *among* has it now: its last step and its causes change while it lasts, its start does not."""
    return next((f for f in among if identity(f) == identity(finding)), None)


def identity(finding: Finding) -> Identity:
    """What stays of a finding while the run goes on."""
    return finding.kind, finding.first_step, finding.raised_at_step


def _gone(width: int) -> tuple[Line, ...]:
    return paragraph("no longer reported; this is how it was last seen", width, (Span("  ! ", "warning"),), "warning")
