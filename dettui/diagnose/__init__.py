"""Causes: the catalogue, the weighing of evidence, and the report."""

from dettui.diagnose.catalogue import CATALOGUE, explain
from dettui.diagnose.weigh import diagnose, tier

__all__ = ["CATALOGUE", "diagnose", "explain", "tier"]
