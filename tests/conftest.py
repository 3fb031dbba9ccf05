"""Tests share what they listen with (tests/listening.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
