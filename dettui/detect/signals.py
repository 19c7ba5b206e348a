"""The discriminators that the diagnosis weighs: one number each, None where the stream does not carry it."""
