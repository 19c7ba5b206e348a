"""What is wrong with the targets as the model receives them: exact checks and two statistical ones."""
