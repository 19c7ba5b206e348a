"""Causes: the catalogue, the weighing of evidence, and the words in which it is told."""
