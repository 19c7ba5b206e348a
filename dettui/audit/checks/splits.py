"""Training data against validation data: the same classes, other images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dettui.audit.dataset import Dataset, Flags
from dettui.audit.finding import AuditFinding, Example, listed, on_images
from dettui.audit.policy import AuditPolicy
from dettui.audit.scan import Scan


def class_tables(train: Dataset, val: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Other names under the same ids, other ids (A18)."""
    if not (train.classes.is_declared and val.classes.is_declared):
        return
    theirs = dict(zip(val.classes.ids, val.classes.names, strict=True))
    ours = dict(zip(train.classes.ids, train.classes.names, strict=True))
    differing = [
        f"{id} is {name} in training, {theirs.get(id, 'nothing')} in validation"
        for id, name in ours.items()
        if theirs.get(id) != name
    ]
    differing += [f"{id} is {name} in validation alone" for id, name in theirs.items() if id not in ours]
    if differing:
        yield AuditFinding(
            "sets_name_classes_differently", "certain", "Training and validation define other classes", len(differing),
            max(len(ours), len(theirs)), "classes", "use one table of classes for both", "class_names_mismatch",
            examples=tuple(Example(val.source, None, text) for text in differing[:3]),
        )  # fmt: skip


def classes_seen(train: Dataset, val: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Classes that only one of the sets shows (A18, E8)."""
    ours, theirs = _seen(train), _seen(val)
    if not ours or not theirs:
        return
    only_val, only_train = sorted(theirs - ours), sorted(ours - theirs)
    if only_val:
        yield AuditFinding(
            "class_only_in_validation", "warning", f"Validation asks for what training never shows: {listed(only_val)}",
            len(only_val), len(theirs), "classes", "split again by class, or map the ids: their AP can only be 0",
            "class_missing",
        )  # fmt: skip
    if only_train:
        yield AuditFinding(
            "class_only_in_training", "info", f"Validation never shows: {listed(only_train)}", len(only_train),
            len(ours), "classes", "their AP is not measured", "class_missing",
        )  # fmt: skip


def shared_files(train: Dataset, val: Dataset, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """The same file in both sets: not the same name, the same file."""
    theirs = {path.resolve() for path in val.images.paths if path is not None}
    shared = [i for i, path in enumerate(train.images.paths) if path is not None and path.resolve() in theirs]
    if shared:
        yield on_images(
            train, "sets_share_files", "certain", "Files are in training and in validation",
            np.asarray(shared, np.int64),
            remedy="split again: the scores tell what was memorised", cause="train_eval_leak",
        )  # fmt: skip


def leakage(train: Dataset, val: Dataset, ours: Scan, theirs: Scan, policy: AuditPolicy) -> Iterator[AuditFinding]:
    """Other files, the same picture (A19): by fingerprints of the pixels."""
    leaked, partners = alike(ours.hashes, theirs.hashes, policy)
    if not len(leaked):
        return
    share = len(np.unique(partners)) / len(theirs.hashes)
    by_image = {int(ours.hashed[i]): int(theirs.hashed[j]) for i, j in zip(leaked, partners, strict=True)}
    yield on_images(
        train, "sets_share_pictures", "warning" if share > policy.leakage_warning else "info",
        "Pictures are in training and, nearly the same, in validation", np.asarray(sorted(by_image), np.int64),
        remedy="split by scene, not by frame: neighbouring frames of a video count as the same picture",
        cause="train_eval_leak", total=len(ours.hashes),
        describe=lambda index: f"like {val.images.files[by_image[index]]}",
    )  # fmt: skip


def alike(
    ours: NDArray[np.bool_], theirs: NDArray[np.bool_], policy: AuditPolicy
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of *ours* and *theirs*, (n, bits) and (m, bits), that differ in few bits; textureless ones never do."""
    ones, others = np.flatnonzero(textured(ours, policy)), np.flatnonzero(textured(theirs, policy))
    firsts, seconds = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    signs = np.where(theirs[others], 1.0, -1.0).astype(np.float32).T
    for start in range(0, len(ones), 1024):  # 1,024 x 2,000 products of 256 bits stay below 10 MB
        block = ones[start : start + 1024]
        agreement = np.where(ours[block], 1.0, -1.0).astype(np.float32) @ signs
        near, partner = np.nonzero(agreement >= ours.shape[1] - 2 * policy.hash_bits_apart)
        firsts.append(block[near].astype(np.int64))
        seconds.append(others[partner].astype(np.int64))
    return np.concatenate(firsts), np.concatenate(seconds)


def textured(hashes: NDArray[np.bool_], policy: AuditPolicy) -> Flags:
    """(n,) fingerprints with enough bits of either kind to tell pictures apart."""
    bits = hashes.sum(axis=1)
    result: Flags = np.minimum(bits, hashes.shape[1] - bits) >= policy.hash_least_contrast
    return result


def _seen(data: Dataset) -> set[str]:
    """Names of the classes that have boxes: ids may be counted differently in two files of VOC."""
    return {data.classes.names[index] for index in np.flatnonzero(data.boxes_per_class).tolist()}
