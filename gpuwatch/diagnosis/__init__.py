"""Profile -> findings and verdict: what rules share, the engine that runs and ranks them, what bounds the run."""
