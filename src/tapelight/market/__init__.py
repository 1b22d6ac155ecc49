"""The live table: one row a symbol, one column a metric."""
