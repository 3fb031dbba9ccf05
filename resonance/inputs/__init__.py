"""Inputs: what hands, clocks, programs and hearts send, turned into commands. One file a port."""
