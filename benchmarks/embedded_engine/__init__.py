"""Measures the embedded engine on real repositories, and trains the weights that it ships with.

``python -m benchmarks.embedded_engine --repo PATH [--repo PATH ...]`` holds out a tenth of each repository's files as
"being written", builds the corpus from the rest, and asks for the rest of the line at random cursors in them. The
ranker is trained leaving the measured repository out. ``--train`` writes the weights learnt from all repositories.
"""
