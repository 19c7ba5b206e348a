"""feed -> store -> detect -> diagnose -> Frame.  Headless; owns cadence and the clock."""

from dettui.engine.engine import Engine, replay
from dettui.engine.grid import EvaluationGrid

__all__ = ["Engine", "EvaluationGrid", "replay"]
