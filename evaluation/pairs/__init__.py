"""Pairs of a sound and a video become talking videos and scores: what the paper's tables are of."""
