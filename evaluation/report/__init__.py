"""Records become results, tables, comparisons and a page."""
