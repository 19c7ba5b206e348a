"""Scripts for trainers of others, which CI does not install."""
