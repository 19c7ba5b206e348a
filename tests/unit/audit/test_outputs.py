"""What leaves the audit: JSON for machines, lines for people, a gallery in an order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from unit.audit.sets import audited, scenes, write_coco

from dettui.audit.as_json import to_json
from dettui.audit.audit import Audit
from dettui.audit.gallery import gallery
from dettui.audit.statistics import heat, statistics
from dettui.diagnose.catalogue import CATALOGUE
from dettui.screens.audit_text import per_image_edges, report_lines
from dettui.widgets.text import text_of

IMAGES = scenes(images=40)


def spoil(document: dict[str, Any]) -> None:
    """Something of everything."""
    rows = document["annotations"]
    rows[0]["bbox"][2] = 0
    rows[9]["bbox"] = [float("nan")] * 4
    rows[20]["category_id"] = 77
    rows[30]["bbox"] = [1, 2]
    rows[40]["image_id"] = 10_000
    document["images"][5]["file_name"] = "\x1b[31mred\u202e.jpg"
    document["categories"][0]["name"] = "caf\u00e9 \x07"


@pytest.fixture
def spoilt(tmp_path: Path) -> Audit:
    return audited(write_coco(tmp_path, IMAGES, spoil))


def test_the_json_is_strict_and_names_causes_of_the_catalogue(spoilt: Audit) -> None:
    document = json.loads(json.dumps(to_json(spoilt), allow_nan=False))
    assert document["verdict"] == "findings" and document["sets"][0]["format"] == "coco"
    order = [finding["severity"] for finding in document["findings"]]
    assert order == sorted(order, key=["certain", "warning", "info"].index)
    assert {f["cause"] for f in document["findings"]} - {None} <= set(CATALOGUE)
    assert sum(row["boxes"] for row in document["sets"][0]["classes"]) <= document["sets"][0]["boxes"]


def test_an_audit_without_any_box_is_strict_json_too(tmp_path: Path) -> None:
    found = audited(write_coco(tmp_path, IMAGES, lambda document: document["annotations"].clear()))
    assert json.dumps(to_json(found), allow_nan=False)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_of_the_report_is_wider_than_asked_or_holds_control_characters(spoilt: Audit, width: int) -> None:
    lines = [text_of(line) for line in report_lines(spoilt, width)]
    assert max(map(cell_len, lines)) <= width
    assert not any(ord(character) < 32 or character == "\u202e" for line in lines for character in line)


def test_the_report_says_the_worst_first_and_what_to_do(spoilt: Audit) -> None:
    text = "\n".join(text_of(line) for line in report_lines(spoilt, 80))
    assert text.index("■ certain") < text.index("Not checked")
    assert "drop these rows" in text and "0000.jpg row 0" in text and "Classes" in text


def test_the_gallery_shows_the_suspicious_first_and_the_flawed_boxes(spoilt: Audit) -> None:
    shown = gallery(spoilt)
    assert len(shown) == len(IMAGES)
    first = shown.exhibit(0)
    assert first.findings[0].severity == "certain" and first.flawed <= set(first.boxes.tolist())
    assert (np.diff(shown.suspicion) <= 0).all()


def test_the_next_suspicious_image_is_found_around_the_end(spoilt: Audit) -> None:
    shown = gallery(spoilt)
    last = int(np.flatnonzero(shown.suspicion > 0)[-1])
    assert shown.next_suspicious(0, 1) == 1
    assert shown.next_suspicious(last, 1) == 0
    assert shown.next_suspicious(0, -1) == last
    assert shown.next_suspicious(len(shown) - 1, -1) == last


def test_a_filter_keeps_what_a_finding_or_a_name_holds(spoilt: Audit) -> None:
    shown = gallery(spoilt)
    assert [shown.only("AREA").exhibit(0).file] == ["0000.jpg"]
    assert shown.only("degenerate_box").exhibit(0).file == "0000.jpg"
    assert shown.only("0007.jpg").exhibit(0).file == "0007.jpg"
    assert len(shown.only("nothing of that kind")) == 0


def test_the_heat_map_counts_what_covers_each_cell(tmp_path: Path) -> None:
    def one_box(document: dict[str, Any]) -> None:
        document["annotations"] = document["annotations"][:1]
        document["annotations"][0]["bbox"] = [320, 240, 320, 240]

    data = audited(write_coco(tmp_path, IMAGES, one_box)).sets[0].data
    expected = np.zeros((8, 32))
    expected[4:, 16:] = 1
    assert heat(data).tolist() == expected.tolist()
    assert statistics(data).large == 1.0


def test_ranges_of_objects_per_image_double() -> None:
    assert per_image_edges(5) == [(0, 0), (1, 1), (2, 3), (4, 7)]
    assert per_image_edges(0) == [(0, 0)]
