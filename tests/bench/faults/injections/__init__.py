"""All mistakes, one module for each group of causes.  Importing this package fills the register."""

from bench.faults.injections import annotations, data, inputs, learning_rate, machine, model, optimizer
from bench.faults.plan import Plan

__all__ = ["Plan", "annotations", "data", "inputs", "learning_rate", "machine", "model", "optimizer"]
