"""Symptoms in the series of one run.  One folder a family: context, policy (thresholds), rules."""
