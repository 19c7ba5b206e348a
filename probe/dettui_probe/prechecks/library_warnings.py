"""Warnings that an argument was ignored (row G6), also those from before anybody listened.

Python remembers in each module which warnings it has shown from there, so as not to show them twice.  A pipeline is
built long before a pre-flight: this memory is how its warnings are still found.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

from dettui_probe.prechecks.report import Check, failed, passed

_IGNORED: Final = re.compile(r"(are|is) not valid for transform", re.IGNORECASE)


def ignored_arguments(caught: Sequence[warnings.WarningMessage]) -> Check:
    """Has a library said that it ignores an argument?  *caught*: warnings raised during the checks."""
    texts = [*_remembered(), *(str(warning.message) for warning in caught)]
    found = sorted({text for text in texts if _IGNORED.search(text)})
    if not found:
        return passed("arguments", "no library said that it ignored an argument")
    remedy = "use the argument's present name (albumentations 2 renamed many), or pass strict=True to see an error"
    text = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    return failed("arguments", "warn", "augmentation_arguments_ignored", text, remedy)


def _remembered() -> Iterator[str]:
    for module in list(sys.modules.values()):
        registry = vars(module).get("__warningregistry__") if hasattr(module, "__dict__") else None
        for key in list(registry) if isinstance(registry, dict) else ():
            if isinstance(key, tuple) and key:
                yield str(key[0])
