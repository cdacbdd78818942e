"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires
from gpuwatch.diagnosis.examples.parts import make_profile
from gpuwatch.diagnosis.examples.runs import STARVED
from gpuwatch.model.profile import Unentered

CASES = (
    fires(
        make_profile(unentered=(Unentered(7, "python -I x.py", "started with -I", "drop -I"),)),
        "info",
        "1 Python process could not be instrumented: started with -I",
        confidence="medium",
    ),
    clear(STARVED),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a Python that keeps the hook out"
