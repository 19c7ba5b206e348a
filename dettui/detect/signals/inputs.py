"""Pixels and other inputs, as numbers."""

from __future__ import annotations

from dataclasses import replace

from dettui.detect.context import Context
from dettui.detect.inputs import InputPolicy, blank_rows, images_sampled, read_given, read_pixels
from dettui.detect.signals.fields import Signals
from dettui_probe import tags


def add_inputs(context: Context, known: Signals) -> Signals:
    given = read_given(context, InputPolicy())
    pixels = read_pixels(context, tags.INPUT, InputPolicy()) or given
    constant, size = context.window(tags.IMAGE_CONSTANT, 2000), images_sampled(context)
    blank = context.window(tags.BATCH_CONSTANT, InputPolicy.window)
    watched = [tag for tag in (tags.IMAGE_NONFINITE, tags.BATCH_NONFINITE) if context.series(tag) is not None]
    return replace(
        known,
        input_mean=None if pixels is None else pixels.mean,
        input_std=None if pixels is None else pixels.std,
        input_min=None if pixels is None else pixels.least,
        input_max=None if pixels is None else pixels.most,
        given_std=None if given is None else given.std,
        given_size=None if given is None else given.size,
        given_span=None if given is None or given.prefix != tags.IMAGE else given.span,
        images_constant_share=(
            float(constant.mean()) / size if len(constant) and size else blank_rows(context, InputPolicy())
        ),
        blank_rows=float(blank.mean()) if len(blank) else None,
        images_nonfinite=max((context.total(tag, 2000) for tag in watched), default=None),
    )
