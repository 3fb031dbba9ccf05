"""resonance: a generative ambient audio engine."""

__version__ = "0.1.0"
