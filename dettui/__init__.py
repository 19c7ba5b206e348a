"""DETTUI: a terminal dashboard that watches detector training live and says why it is stuck."""

__version__ = "0.1.0"
