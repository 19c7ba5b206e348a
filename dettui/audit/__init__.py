"""The audit of a dataset: read it into one model, check that, say what was found.  Needs no screen and no torch."""
