"""The audit of a dataset: read it into one model, check that, say what was found.  Needs no screen and no torch."""

from typing import Final

DEFAULT_LIMIT: Final = 2000
"""Images opened, and items of a Dataset read, where nothing else is asked for: what check 18 takes for fingerprints."""
