"""Mistakes that can be made in a training of the zoo, one module for each group.  Importing this package fills the
register."""

from bench.faults.composed.mistakes import annotations, data, inputs, learning_rate, model, optimizer
from bench.faults.composed.mistakes.mistake import REGISTER, Mistake

__all__ = ["REGISTER", "Mistake", "annotations", "data", "inputs", "learning_rate", "model", "optimizer"]
