"""The audit as one JSON object: a contract, as ``dettui doctor --json`` is."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np

from dettui.audit.audit import Audit, AuditedSet
from dettui.audit.finding import AuditFinding
from dettui.audit.statistics import statistics

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCHEMA: Final = 1


def to_json(audit: Audit) -> dict[str, Json]:
    """*audit* as strict JSON: numbers that are not finite become null."""
    return {
        "schema": SCHEMA,
        "source": audit.source,
        "reason": audit.reason,
        "verdict": audit.verdict,
        "findings": [{"set": name, **_finding(finding)} for name, finding in audit.findings],
        "sets": [_set(audited) for audited in audit.sets],
    }


def _finding(finding: AuditFinding) -> dict[str, Json]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "title": finding.title,
        "count": finding.count,
        "total": finding.total,
        "unit": finding.unit,
        "remedy": finding.remedy,
        "cause": finding.cause,
        "examples": [{"file": e.file, "row": e.row, "text": e.text} for e in finding.examples],
    }


def _set(audited: AuditedSet) -> dict[str, Json]:
    data, numbers = audited.data, statistics(audited.data)
    sides = np.percentile(numbers.sides, [5, 50, 95]).tolist() if len(numbers.sides) else [math.nan] * 3
    return {
        "name": audited.name,
        "source": data.source,
        "format": data.format,
        "images": len(data.images),
        "images_opened": len(audited.found.headers),
        "images_without_boxes": int((data.boxes_per_image == 0).sum()),
        "boxes": len(data.boxes),
        "boxes_declared": data.declared_boxes,
        "classes": [
            {"id": id, "name": name, "boxes": count}
            for id, name, count in zip(data.classes.ids, data.classes.names, data.boxes_per_class.tolist(), strict=True)
        ],
        "box_side": {
            "unit": "px" if numbers.sides_in_pixels else "share",
            **{f"p{p}": _number(side) for p, side in zip((5, 50, 95), sides, strict=True)},
        },
        "share_small": _number(numbers.small),
        "share_medium": _number(numbers.medium),
        "share_large": _number(numbers.large),
        "unchecked": [{"check": u.check, "reason": u.reason} for u in audited.unchecked],
        "notes": list(data.notes),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
