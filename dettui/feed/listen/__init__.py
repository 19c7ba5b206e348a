"""Listening on TCP for the probes of other hosts: only where a user asks, encrypted, and for allowed keys only."""
