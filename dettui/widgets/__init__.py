"""Textual widgets: thin shells around charts and frames."""
