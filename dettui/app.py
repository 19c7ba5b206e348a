"""The Textual application: runs the engine in a thread, hands its frames to the screens."""
