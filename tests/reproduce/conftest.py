"""The studies' own modules, importable as the studies import them."""

from __future__ import annotations

import sys
from pathlib import Path

REPRODUCE = Path(__file__).resolve().parent.parent.parent / "scripts" / "reproduce"
sys.path.insert(0, str(REPRODUCE))
