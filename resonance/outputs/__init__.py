"""Outputs: where the samples go. One file a port; they know nothing of sounds."""
