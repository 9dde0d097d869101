"""`python -m evaluation.filelists`: fetches the published test lists, and draws lists like them."""
