"""Speed and memory against the published way of doing the same: `python -m benchmarks name=…`."""
