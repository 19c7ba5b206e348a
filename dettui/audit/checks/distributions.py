"""Boxes against the others of their class: datumaro's checks of labels and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dettui.audit.dataset import Attribute, Dataset, Flags, Ints
from dettui.audit.finding import AuditFinding, box_text, listed, on_boxes
from dettui.audit.policy import AuditPolicy
from dettui.domain.series import Floats


def far_from_mean(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Boxes of quite another size or shape than others of the class (datumaro FarFromLabelMean)."""
    flagged = outlying(data, data.boxes.classes, policy)
    if flagged.any():
        yield on_boxes(
            data, "box_unlike_its_class", "info",
            f"Boxes are more than {policy.far_from_mean:g} standard deviations from the mean of their class", flagged,
            remedy="look at them first when you look for wrong boxes; most are merely large",
            describe=lambda index: box_text(data, index),
        )  # fmt: skip


def skewed_sizes(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Classes whose boxes nearly all have one size (datumaro ImbalancedDistInLabel)."""
    skewed = [data.classes.name(index) for index in skewed_groups(data, data.boxes.classes, policy)]
    if skewed:
        yield AuditFinding(
            "box_sizes_skewed", "info",
            f"A tenth of the range of sizes holds {policy.top_bins_share:.0%} of the boxes of {listed(skewed)}",
            len(skewed), len(data.classes), "classes", "nothing, unless other sizes are to be found later",
        )  # fmt: skip


def attributes(data: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """datumaro's checks of attributes, on the attributes that boxes carry.

    Two of its eight compare with a list of attributes that a class may have; none of the formats here holds one.
    """
    for name, attribute in data.boxes.attributes.items():
        yield from _one_attribute(data, name, attribute, policy)


def _one_attribute(data: Dataset, name: str, attribute: Attribute, policy: AuditPolicy) -> Iterator[AuditFinding]:
    has = attribute.codes >= 0
    used = np.isin(data.boxes.classes, np.unique(data.boxes.classes[has]))
    lacking = used & ~has
    if lacking.any():
        yield on_boxes(
            data, "attribute_missing", "info", f"Boxes lack the attribute {name!r} that others of their class have",
            lacking, remedy="fill it in, or ignore it in training",
        )  # fmt: skip
    counts = np.bincount(attribute.codes[has], minlength=len(attribute.values))
    yield from _values(name, attribute.values, counts, policy)
    if len(attribute.values) > 1:
        yield from _sizes_by_value(data, name, attribute, policy)


def _sizes_by_value(data: Dataset, name: str, attribute: Attribute, policy: AuditPolicy) -> Iterator[AuditFinding]:
    flagged = outlying(data, attribute.codes, policy)
    if flagged.any():
        yield on_boxes(
            data, "box_unlike_its_attribute", "info",
            f"Boxes are more than {policy.far_from_mean:g} standard deviations from others of their {name!r}", flagged,
            remedy="look at them first when you look for wrong attributes",
        )  # fmt: skip
    skewed = [attribute.values[index] for index in skewed_groups(data, attribute.codes, policy)]
    if skewed:
        yield _about(name, "attribute_sizes_skewed", f"has values whose boxes have one size: {listed(skewed)}", skewed)


def _values(name: str, values: tuple[str, ...], counts: Ints, policy: AuditPolicy) -> Iterator[AuditFinding]:
    few = [value for value, count in zip(values, counts.tolist(), strict=True) if count <= policy.few_boxes]
    if len(values) == 1:
        yield _about(name, "attribute_has_one_value", f"has one value, {values[0]!r}", values)
    elif few:
        yield _about(name, "attribute_value_rare", f"has values that one box carries: {listed(few)}", few)
    elif counts.max() / counts.min() > policy.imbalance_ratio:
        yield _about(
            name, "attribute_imbalance", f"has values {counts.max() / counts.min():.0f} times as frequent", values
        )


def _about(name: str, id: str, text: str, values: Sequence[str]) -> AuditFinding:
    return AuditFinding(
        id, "info", f"Attribute {name!r} {text}", len(values), len(values), "classes", "nothing, unless you train on it"
    )


def measures(data: Dataset) -> Mapping[str, Floats]:
    """The six measures of a box that datumaro compares, each (n,); 0 where a box has no area."""
    sound = data.boxes.sound
    width, height = np.where(sound, data.boxes.widths, 0.0), np.where(sound, data.boxes.heights, 0.0)
    ratio = np.divide(width, height, out=np.zeros_like(width), where=sound)
    short, long = np.minimum(width, height), np.maximum(width, height)
    return {"width": width, "height": height, "area": width * height, "ratio": ratio, "short": short, "long": long}


def outlying(data: Dataset, groups: Ints, policy: AuditPolicy) -> Flags:
    """(n,) sound boxes of which any measure is far from the mean of their group; *groups*, (n,), UNKNOWN for none."""
    judged = data.boxes.sound & (groups >= 0)
    own = groups[judged]
    counts = np.bincount(own)
    far = np.zeros(len(own), np.bool_)
    for values in measures(data).values():
        kept = values[judged]
        means = np.bincount(own, kept) / np.maximum(counts, 1)
        spread = np.sqrt(np.bincount(own, (kept - means[own]) ** 2) / np.maximum(counts, 1))
        far |= (np.abs(kept - means[own]) > policy.far_from_mean * spread[own]) & (spread[own] > 0)
    result = np.zeros(len(groups), np.bool_)
    result[judged] = far & (counts[own] >= policy.distribution_least)
    return result


def skewed_groups(data: Dataset, groups: Ints, policy: AuditPolicy) -> list[int]:
    """The groups whose boxes nearly all have one size; *groups*, (n,), UNKNOWN for none."""
    judged = np.flatnonzero(data.boxes.sound & (groups >= 0))
    judged = judged[np.argsort(groups[judged], kind="stable")]
    present, first = np.unique(groups[judged], return_index=True)
    areas = np.split(measures(data)["area"][judged], first[1:])
    # Without boxes one empty part is left over.
    return [group for group, own in zip(present.tolist(), areas, strict=False) if _is_skewed(own, policy)]


def _is_skewed(values: Floats, policy: AuditPolicy) -> bool:
    if len(values) < policy.distribution_least or values.max() == values.min():
        return False
    counts = np.sort(np.histogram(values, bins=policy.distribution_bins)[0])[::-1]
    top = max(1, round(policy.top_bins * policy.distribution_bins))
    return bool(counts[:top].sum() >= policy.top_bins_share * len(values))
