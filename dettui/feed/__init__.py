"""Where messages come from: the local agent, a recorded run, a script."""
