"""`python -m evaluation`: turns checkpoints into rows of a table."""
