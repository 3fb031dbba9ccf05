"""What the side by side benchmark runs: one file an engine, and in `work` what each is asked for."""
