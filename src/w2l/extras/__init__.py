"""What `infer.py` can do beside syncing one face: nothing in the core imports it."""
