"""Commands: each composes its config, builds objects and calls one function that takes objects."""
