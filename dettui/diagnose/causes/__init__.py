"""The catalogue of causes, one file a group."""
