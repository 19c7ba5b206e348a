"""Healthy trainings composed at random from parts: the rooms of the zoo (zoo.py)."""
