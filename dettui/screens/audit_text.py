"""The audit in words: header, verdict, findings worst first, and what the data look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from dettui.audit.audit import Audit, AuditedSet
from dettui.audit.dataset import FormatName
from dettui.audit.finding import AuditFinding, AuditSeverity, Example
from dettui.audit.statistics import Statistics, statistics
from dettui.charts.class_bars import class_bars
from dettui.charts.numbers import count, number, percent
from dettui.charts.plotext_bars import heat_map, histogram, horizontal_bars
from dettui.domain.series import ClassCounts
from dettui.widgets.text import BLANK, Line, Role, Span, crop, harmless, left, paragraph, shorten
from dettui.widgets.words import SEVERITIES, Sign

SIGNS: Final[dict[AuditSeverity, Sign]] = {
    "certain": Sign(SEVERITIES["critical"].glyph, "certain", "critical"),
    "warning": SEVERITIES["warning"],
    "info": SEVERITIES["info"],
}

FORMATS: Final[dict[FormatName, str]] = {
    "coco": "COCO",
    "yolo": "YOLO",
    "voc": "Pascal VOC",
    "torch": "torch Dataset",
}

CLASS_ROWS: Final = 12
HISTOGRAM_ROWS: Final = 9
_INDENT: Final = "  "


def report_lines(audit: Audit, width: int) -> Iterator[Line]:
    """All of *audit* in lines of at most *width* cells."""
    for audited in audit.sets:
        yield from _header(audit, audited, width)
    yield BLANK
    yield from _verdict(audit, width)
    for name, finding in audit.findings:
        if finding.severity != "info":
            yield BLANK
            yield from finding_lines(finding, width, name)
    yield from _infos(audit, width)
    yield from _unchecked(audit, width)
    for audited in audit.sets:
        yield from _pictures(audited, width)


def finding_lines(finding: AuditFinding, width: int, set_name: str = "") -> Iterator[Line]:
    """One finding: what, how often, where, and what to do."""
    sign = SIGNS[finding.severity]
    lead: Line = (Span(f"{sign.glyph} ", sign.role), Span(f"{sign.word}  ", sign.role))
    where = f" in {set_name}" if set_name else ""
    yield from paragraph(f"{finding.title}: {how_often(finding)}{where}", width, lead, "strong")
    for example in finding.examples:
        yield crop((Span(f"{_INDENT}{_INDENT}{harmless(place_of(example))}  ", "accent"), _text(example)), width)
    yield from paragraph(finding.remedy, width, (Span(f"{_INDENT}{_INDENT}→ ", "good"),))


def how_often(finding: AuditFinding) -> str:
    """How many of how many, and the share."""
    if finding.total <= 1 or finding.unit == "classes":
        return f"{count(finding.count)} {finding.unit}"
    return f"{count(finding.count)} of {count(finding.total)} {finding.unit} ({percent(finding.share)})"


def place_of(example: Example) -> str:
    """File and row."""
    return example.file if example.row is None else f"{example.file} row {example.row}"


def _text(example: Example) -> Span:
    return Span(harmless(example.text), "muted")


def _header(audit: Audit, audited: AuditedSet, width: int) -> Iterator[Line]:
    data = audited.data
    name = f"{audited.name}: " if audited.name else ""
    yield crop((Span(f"{name}{harmless(data.source)}", "strong"), Span(f"  {FORMATS[data.format]}", "accent")), width)
    parts = (
        f"{count(len(data.images))} images",
        f"{count(len(data.boxes))} boxes",
        f"{count(len(data.classes))} classes",
        f"{count(len(audited.found.headers))} image files opened",
    )
    yield crop((Span(_INDENT + " · ".join(parts), "muted"),), width)
    if audited is audit.sets[0]:
        yield from paragraph(audit.reason, width, (Span(_INDENT),), "muted")
    for note in data.notes:
        yield crop((Span(f"{_INDENT}{note}", "muted"),), width)


def _verdict(audit: Audit, width: int) -> Iterator[Line]:
    numbers = {severity: sum(f.severity == severity for _, f in audit.findings) for severity in SIGNS}
    if audit.verdict == "healthy":
        yield (Span("✓ ", "good"), Span("nothing found that would hurt the training", "strong"))
        return
    parts: list[Span] = []
    for severity, sign in SIGNS.items():
        if numbers[severity]:
            parts += [Span(f"{sign.glyph} ", sign.role), Span(f"{numbers[severity]} {sign.word}   ", "strong")]
    yield crop(tuple(parts), width)


def _infos(audit: Audit, width: int) -> Iterator[Line]:
    """To know, not to mend: one line each."""
    infos = [(name, finding) for name, finding in audit.findings if finding.severity == "info"]
    if infos:
        yield BLANK
        yield (Span("To know", "accent"),)
    for name, finding in infos:
        sign = SIGNS["info"]
        where = f"  ({name})" if name else ""
        text = f"{finding.title}: {how_often(finding)}{where}" if finding.unit != "classes" else finding.title + where
        yield from paragraph(text, width, (Span(f"{sign.glyph} ", sign.role),))


def _unchecked(audit: Audit, width: int) -> Iterator[Line]:
    unchecked = [(audited.name, item) for audited in audit.sets for item in audited.unchecked]
    if unchecked:
        yield BLANK
        yield (Span("Not checked", "accent"),)
    for name, item in unchecked:
        where = f" ({name})" if name else ""
        yield from paragraph(f"{item.check}{where}: {item.reason}", width, (Span("? ", "muted"),), "muted")


def _pictures(audited: AuditedSet, width: int) -> Iterator[Line]:
    """Classes, sizes, shapes, objects per image and places of one set."""
    if not audited.data.boxes.sound.any():
        return
    numbers = statistics(audited.data)
    if audited.name:
        yield from (
            BLANK,
            (Span(f"— {audited.name} ", "rule"), Span("—" * max(0, width - len(audited.name) - 4), "rule")),
        )
    yield from _class_table(audited, width)
    half = (width - 2) // 2
    yield BLANK
    yield from _side_by_side(_sizes(numbers, half), _shapes(numbers, half), half, width)
    yield BLANK
    yield from _side_by_side(_per_image(numbers, half), _places(numbers, half), half, width)


def _class_table(audited: AuditedSet, width: int) -> Iterator[Line]:
    roles: dict[str, Role] = {"rare": "warning", "unseen": "muted", "hidden": "muted"}
    yield BLANK
    yield (Span("Classes", "accent"), Span("  boxes and share", "muted"))
    counts = ClassCounts("targets", tuple(map(harmless, audited.data.classes.names)), audited.data.boxes_per_class)
    for row in class_bars(counts, width - 2, CLASS_ROWS):
        role = roles.get(row.standing, "plain")
        yield (Span(_INDENT), Span(row.text, role), Span(row.bar.rstrip(), "accent"))


def _sizes(numbers: Statistics, width: int) -> list[str]:
    unit = "pixels" if numbers.sides_in_pixels else "share of the image"
    rows = histogram(numbers.sides, width, HISTOGRAM_ROWS, bins=min(30, width // 2), title=f"box size, {unit}")
    if not np.isfinite(numbers.small):
        return list(rows)
    shares = f"small {percent(numbers.small)} · medium {percent(numbers.medium)} · large {percent(numbers.large)}"
    return [*rows, shares.center(width)]


def _shapes(numbers: Statistics, width: int) -> list[str]:
    title = "box shape, log2(width / height)"
    rows = histogram(numbers.aspects, width, HISTOGRAM_ROWS, bins=min(30, width // 2), title=title)
    return [*rows, "tall ← square 0 → wide".center(width)]


def _per_image(numbers: Statistics, width: int) -> list[str]:
    most = int(numbers.per_image.max())
    edges = per_image_edges(most)
    labels = [f"{low}" if low == high else f"{low}-{high}" for low, high in edges]
    values = [float(((numbers.per_image >= low) & (numbers.per_image <= high)).sum()) for low, high in edges]
    numbered = [f"{label:>9} {number(value):>6}" for label, value in zip(labels, values, strict=True)]
    return ["objects per image: images".center(width), *horizontal_bars(numbered, values, width)]


def per_image_edges(most: int) -> list[tuple[int, int]]:
    """Ranges of counts, doubling: 0, 1, 2-3, 4-7, up to *most*."""
    edges, low = [(0, 0)], 1
    while low <= most:
        edges.append((low, 2 * low - 1))
        low *= 2
    return edges


def _places(numbers: Statistics, width: int) -> list[str]:
    columns = numbers.places.shape[1]
    pad = " " * max(0, (width - columns - 2) // 2)
    rows = heat_map(numbers.places, columns, numbers.places.shape[0], colour=False)
    frame = "─" * columns
    return [
        "where boxes lie in the image".center(width),
        f"{pad}┌{frame}┐",
        *(f"{pad}│{row}│" for row in rows),
        f"{pad}└{frame}┘",
    ]


def _side_by_side(first: Sequence[str], second: Sequence[str], half: int, width: int) -> Iterator[Line]:
    for index in range(max(len(first), len(second))):
        one = first[index] if index < len(first) else ""
        other = second[index] if index < len(second) else ""
        yield (Span(shorten(f"{left(one, half)}  {other}".rstrip(), width)),)
