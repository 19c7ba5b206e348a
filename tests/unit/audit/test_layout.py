"""The layout of boxes: told where it is certain, and never of honest data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.audit.sets import LAWS, audited, by_id, scenes, severities, write_coco, write_voc

Corners = tuple[float, float, float, float]


def rewritten(change: Any) -> Any:
    """Writes every box as *change* has it."""

    def spoil(document: dict[str, Any]) -> None:
        for annotation in document["annotations"]:
            annotation["bbox"] = change(*annotation["bbox"])

    return spoil


@pytest.mark.parametrize("law", ["mixed", "lower half", "crowded"])
def test_corners_where_corner_and_size_belong_are_certain(tmp_path: Path, law: str) -> None:
    path = write_coco(tmp_path, scenes(LAWS[law], images=120), rewritten(lambda x, y, w, h: [x, y, x + w, y + h]))
    finding = by_id(audited(path))["boxes_in_wrong_layout"]
    assert finding.severity == "certain" and finding.cause == "boxes_wrong_format"
    assert "two corners (x1, y1, x2, y2) where corner and size" in finding.title


def test_centres_where_corners_belong_are_told(tmp_path: Path) -> None:
    path = write_coco(tmp_path, scenes(images=120), rewritten(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]))
    assert "centre and size" in by_id(audited(path))["boxes_in_wrong_layout"].title


@pytest.mark.parametrize("law", ["mixed", "large", "crowded"])
def test_sizes_where_voc_keeps_its_lower_right_corner_are_told(tmp_path: Path, law: str) -> None:
    write_voc(tmp_path, scenes(LAWS[law], images=200))
    for path in (tmp_path / "Annotations").iterdir():
        _corner_to_size(path)
    assert "corner and size (x, y, w, h) where two corners" in by_id(audited(tmp_path))["boxes_in_wrong_layout"].title


def _corner_to_size(path: Path) -> None:
    from xml.etree import ElementTree

    tree = ElementTree.parse(path)
    for box in tree.iter("bndbox"):
        x1, y1, x2, y2 = (box.find(name) for name in ("xmin", "ymin", "xmax", "ymax"))
        assert x1 is not None and y1 is not None and x2 is not None and y2 is not None
        x2.text, y2.text = (
            str(int(x2.text or 0) - int(x1.text or 0) + 1),
            str(int(y2.text or 0) - int(y1.text or 0) + 1),
        )
    tree.write(path)


def test_swapped_axes_are_told_where_images_are_not_square(tmp_path: Path) -> None:
    write_voc(tmp_path, scenes(images=120, size=(900, 300)))
    for path in (tmp_path / "Annotations").iterdir():
        text = path.read_text()
        for one, other in (("xmin", "ymin"), ("xmax", "ymax")):
            text = text.replace(one, "@").replace(other, one).replace("@", other)
        path.write_text(text)
    assert "y first" in by_id(audited(tmp_path))["boxes_in_wrong_layout"].title


def test_few_boxes_prove_nothing(tmp_path: Path) -> None:
    path = write_coco(tmp_path, scenes(images=3), rewritten(lambda x, y, w, h: [x, y, x + w, y + h]))
    assert "boxes_in_wrong_layout" not in severities(audited(path))


def test_a_moderate_number_of_boxes_gives_a_warning_and_not_a_certainty(tmp_path: Path) -> None:
    path = write_coco(tmp_path, scenes(images=30), rewritten(lambda x, y, w, h: [x, y, x + w, y + h]))
    assert severities(audited(path))["boxes_in_wrong_layout"] == "warning"
