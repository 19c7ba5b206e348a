"""Pixels as the network receives them (detection.md 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.no_score import finds_nothing
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui_probe import tags

_NONFINITE = ((tags.IMAGE_NONFINITE, "images"), (tags.BATCH_NONFINITE, "inputs"))
"""A few images of a step, and all of its inputs."""

IMAGES_SAMPLED = 4.0
"""The probe looks at so many images of a batch."""


@dataclass(frozen=True)
class InputPolicy:
    """The table of detection.md 2.4, measured in 0.2.

    torchvision detectors normalise inside, with the ImageNet constants by default: pixels in [0, 1] then reach the
    backbone between -2.12 and 2.64.
    """

    window: int = 50  # measured steps
    first_rows: int = 8  # measured steps that tell how the inputs began
    at_least: int = 1  # for ranges that no image of a known head can have
    at_least_unknown: int = 3  # for what is only unusual
    ok_mean: float = 1.5
    ok_std: tuple[float, float] = (0.5, 1.6)
    raw_mean: float = 20.0  # 0-255 pixels
    raw_std: float = 20.0
    raw_max: float = 200.0
    raw_level: float = 0.7  # share of the first loss; above it, a network that may normalise by itself seems not to
    raw_after: int = 200  # points of the loss past the warm-up
    twice_std: float = 2.5
    twice_min: float = -2.3  # below what pixels of [0, 1] can become
    faint_std: float = 0.2
    faint_mean: tuple[float, float] = (-2.4, -1.5)
    faint_max: float = 0.05  # largest pixel as given: 1/255 of white, with room
    tiny_std: float = 0.02  # of inputs that were divided once too often, where the loss does not fall
    tiny_size: float = 0.2  # of the greatest of them, or of the span of images that were normalised after that
    tiny_level: float = 0.9  # share of the first loss
    tiny_after: int = 120  # steps
    constant_share: float = 0.02
    constant_images: int = 50
    blank_rows: float = 0.3  # share of the inputs that are no images, where evaluations have next to none
    blank_in_evaluation: float = 0.1
    constant_all: tuple[int, int] = (2, 8)  # measured steps and images after which "every image" is no dummy batch


@dataclass(frozen=True)
class Pixels:
    """Medians of the newest measured steps, in one place of the network."""

    prefix: str
    window: tuple[int, int]
    rows: int
    mean: float
    std: float
    least: float
    most: float

    @property
    def size(self) -> float:
        """Of the greatest one, whatever its sign."""
        return max(abs(self.least), abs(self.most))

    @property
    def span(self) -> float:
        """From the least to the greatest."""
        return self.most - self.least


def read_pixels(context: Context, prefix: str, policy: InputPolicy) -> Pixels | None:
    """Statistics under *prefix* ("inputs/" or "images/"), None where too few steps were measured."""
    found = [context.median(prefix + part, policy.window, policy.at_least) for part in ("mean", "std", "min", "max")]
    if any(value is None for value in found):
        return None
    mean, std, least, most = (float(value) for value in found if value is not None)
    rows = len(context.window(prefix + "mean", policy.window))
    return Pixels(prefix, context.span(prefix + "mean", policy.window), rows, mean, std, least, most)


def read_given(context: Context, policy: InputPolicy) -> Pixels | None:
    """Statistics of what the model is given: of its images or, where it takes none, of its first tensor."""
    return read_pixels(context, tags.IMAGE, policy) or read_pixels(context, tags.BATCH, policy)


def blank_rows(context: Context, policy: InputPolicy) -> float | None:
    """Share of the inputs that hold one and the same number each; None where that is small, no news, or counted on
    images already."""
    if context.series(tags.IMAGE_CONSTANT) is not None:
        return None
    rows, compared = context.window(tags.BATCH_CONSTANT, policy.window), context.window(tags.EVAL_BATCH_CONSTANT, 8)
    if len(rows) < policy.at_least_unknown or not len(compared) or compared.max() > policy.blank_in_evaluation:
        return None
    share = float(rows.mean())
    return share if share > policy.blank_rows else None


def images_sampled(context: Context) -> float:
    """Images of a step at which the probe looks."""
    batch = context.median(tags.BATCH_SIZE, 200) or context.median(tags.ROWS, 200) or IMAGES_SAMPLED
    return min(batch, IMAGES_SAMPLED)


@dataclass(frozen=True)
class BadInputs:
    """Images that are not what the network was made for."""

    policy: InputPolicy = InputPolicy()
    name: str = "bad_inputs"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """One symptom for each check that fails."""
        given = read_given(context, self.policy)
        inside = read_pixels(context, tags.INPUT, self.policy)
        watched = (tags.IMAGE_NONFINITE, tags.IMAGE_CONSTANT, tags.BATCH_NONFINITE, tags.BATCH_CONSTANT)
        if given is None and inside is None and len(context.missing(*watched)) == len(watched):
            return Abstention(self.name, (tags.INPUT_MEAN, tags.IMAGE_MEAN))
        found = (
            self._non_finite(context),
            self._constant(context),
            self._range(context, given, inside),
            self._all_alike(given),
            self._blank_rows(context),
            self._tiny(context, given),
        )
        return tuple(symptom for symptom in found if symptom is not None)

    def _non_finite(self, context: Context) -> Symptom | None:
        counted = ((tag, word, context.total(tag, 2000)) for tag, word in _NONFINITE)
        tag, word, count = max(counted, key=lambda told: told[2])
        if count <= 0:
            return None
        proof = Evidence(tag, context.span(tag, 2000), count, 0.0, ">", f"{count:.0f} {word} hold NaN or infinity")
        return _bad("nonfinite", "critical", f"NaN or infinity in {count:.0f} {word}", proof, exact=True)

    def _constant(self, context: Context) -> Symptom | None:
        constant = context.total(tags.IMAGE_CONSTANT, 2000)
        images = self._images_looked_at(context)
        if not self._is_enough(context, constant, images) or constant <= self.policy.constant_share * images:
            return None
        window = context.span(tags.IMAGE_CONSTANT, 2000)
        share = constant / images
        text = f"{constant:.0f} of {images:.0f} images have one and the same value everywhere"
        proof = Evidence(tags.IMAGE_CONSTANT, window, share, self.policy.constant_share, ">", text)
        return _bad(
            "constant",
            "critical" if share > 0.2 else "warning",
            f"{share:.0%} of the images are blank",
            proof,
            exact=True,
        )

    def _is_enough(self, context: Context, constant: float, images: float) -> bool:
        steps, all_images = self.policy.constant_all
        rows = len(context.window(tags.IMAGE_CONSTANT, steps))
        return images >= self.policy.constant_images or (constant >= images >= all_images and rows >= steps)

    def _all_alike(self, given: Pixels | None) -> Symptom | None:
        """One and the same number everywhere, in inputs that are no images."""
        if given is None or given.prefix != tags.BATCH or given.rows < self.policy.at_least_unknown or given.std > 0:
            return None
        proof = Evidence(tags.BATCH_STD, given.window, given.std, 0.0, "<=", _in_words(given))
        return _bad("constant", "critical", "All inputs are one and the same number", proof, exact=True)

    def _blank_rows(self, context: Context) -> Symptom | None:
        """Inputs that are no images and hold one and the same number each, which those of evaluations do not."""
        share = blank_rows(context, self.policy)
        if share is None:
            return None
        text = f"{share:.0%} of the inputs hold one and the same number each; of those in evaluations, next to none"
        window = context.span(tags.BATCH_CONSTANT, self.policy.window)
        proof = Evidence(tags.BATCH_CONSTANT, window, share, self.policy.blank_rows, ">", text)
        return _bad("constant", "critical", f"{share:.0%} of the inputs are blank", proof, exact=False)

    def _tiny(self, context: Context, given: Pixels | None) -> Symptom | None:
        """Inputs that hardly differ from nothing, or images that hardly differ from one colour, where the loss does
        not fall, or as far as it can be guessed only: a network with a BatchNorm at its entrance does not mind."""
        policy, curve = self.policy, context.loss
        family = "unknown" if context.model is None else context.model.family
        if given is None or curve is None or family.startswith("torchvision.") or not 0 < given.std < policy.tiny_std:
            return None
        if context.step < policy.tiny_after or context.lr_is_rising:
            return None
        if curve.now <= policy.tiny_level * curve.start and not finds_nothing(context):
            return None
        is_of_one_colour = given.prefix == tags.IMAGE and given.span <= policy.tiny_size
        if given.size > policy.tiny_size and not is_of_one_colour:
            return None
        proof = Evidence(given.prefix + "std", given.window, given.std, policy.tiny_std, "<", _in_words(given))
        what = "Inputs hardly differ from zero" if given.size <= policy.tiny_size else "Images are nearly of one colour"
        return _bad("tiny", "warning", f"{what}, and little is learnt", proof, exact=False)

    def _images_looked_at(self, context: Context) -> float:
        """Images in the rows that carry the count of constant ones, which may be a sample of the steps."""
        return len(context.window(tags.IMAGE_CONSTANT, 2000)) * images_sampled(context)

    def _range(self, context: Context, given: Pixels | None, inside: Pixels | None) -> Symptom | None:
        family = "unknown" if context.model is None else context.model.family
        if family.startswith("torchvision."):
            return (
                None
                if inside is None
                else self._torchvision(given, inside, began_well=self._began_well(context, inside))
            )
        pixels = given or inside
        return None if pixels is None else self._unnormalised(pixels, self._is_unexpected(context, family, pixels))

    def _is_unexpected(self, context: Context, family: str, pixels: Pixels) -> bool:
        """False where the network may well normalise by itself: images, or a BatchNorm in it, and a loss that falls."""
        plain_numbers = pixels.prefix == tags.BATCH and not context.last(tags.NORM_TRAINING)
        return family == "classification" or plain_numbers or self._learns_little(context)

    def _learns_little(self, context: Context) -> bool:
        curve, policy = context.loss, self.policy
        if curve is None or context.is_resumed or context.points_past_warmup < policy.raw_after:
            return False
        return curve.now > policy.raw_level * curve.start

    def _began_well(self, context: Context, inside: Pixels) -> bool:
        """True where the first inputs were as they should be: what is wrong now came midway, and is no set-up."""
        first = context.early_median(inside.prefix + "std", self.policy.first_rows)
        low, high = self.policy.ok_std
        return first is not None and low <= first <= high

    def _torchvision(self, given: Pixels | None, inside: Pixels, *, began_well: bool) -> Symptom | None:
        """Verdict on what the backbone of a torchvision detector receives."""
        policy = self.policy
        low, high = policy.ok_std
        if abs(inside.mean) <= policy.ok_mean and low <= inside.std <= high:
            return None
        if inside.mean > policy.raw_mean and inside.std > policy.raw_std:
            return _pixels(
                "range_255", "Pixels of 0-255 reach a network that expects 0-1", inside, (policy.raw_mean, ">")
            )
        if inside.std > policy.twice_std and inside.least < policy.twice_min and not began_well:
            return _pixels("normalised_twice", "Images are normalised twice", inside, (policy.twice_min, "<"))
        first, last = policy.faint_mean
        if (
            inside.std < policy.faint_std
            and first < inside.mean < last
            and given is not None
            and given.most <= policy.faint_max
            and (given.std > 0 or given.rows >= policy.at_least_unknown)  # zeros may be a dummy batch that warms up
        ):
            return _pixels(
                "faint", "Images are nearly black: divided by 255 twice, or blank", inside, (policy.faint_std, "<")
            )
        return None

    def _unnormalised(self, pixels: Pixels, is_unexpected: bool) -> Symptom | None:
        """0-255 into a network of unknown contract: unusual, and legal for some."""
        policy = self.policy
        if (
            pixels.rows < policy.at_least_unknown
            or pixels.mean <= policy.raw_mean
            or pixels.std <= policy.raw_std
            or pixels.most < policy.raw_max
        ):
            return None
        proof = Evidence(pixels.prefix + "mean", pixels.window, pixels.mean, policy.raw_mean, ">", _in_words(pixels))
        severity: Severity = "warning" if is_unexpected else "info"
        return _bad("range_255", severity, "Inputs span 0-255 and are not normalised", proof, exact=False)


def _pixels(key: str, title: str, pixels: Pixels, comparison: tuple[float, str]) -> Symptom:
    limit, relation = comparison
    part, measured = {
        "range_255": ("mean", pixels.mean),
        "normalised_twice": ("min", pixels.least),
        "faint": ("std", pixels.std),
    }[key]
    proof = Evidence(pixels.prefix + part, pixels.window, measured, limit, relation, _in_words(pixels))
    return _bad(key, "critical", title, proof, exact=True)


def _in_words(pixels: Pixels) -> str:
    return f"mean {pixels.mean:.3g}, std {pixels.std:.3g}, from {pixels.least:.3g} to {pixels.most:.3g}"


def _bad(key: str, severity: Severity, title: str, proof: Evidence, *, exact: bool) -> Symptom:
    return Symptom(
        kind="bad_inputs",
        severity=severity,
        first_step=proof.window[0],
        last_step=proof.window[1],
        title=title,
        evidence=(proof,),
        exact=exact,
        key=key,
    )
