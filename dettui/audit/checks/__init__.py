"""The checks: pure functions from a dataset and a policy to findings.  Each judges one thing, or is silent."""
