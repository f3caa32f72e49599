"""Benchmark runs: what their figures mean, where they are kept, what changed between two, and starting one."""
