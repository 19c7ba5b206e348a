"""Proof before step 1: checks that take seconds, once, before training.  ``dettui_probe.preflight`` is the way in."""
