"""Named synthetic runs with known symptoms and causes, as the wire messages that a probe would send."""
