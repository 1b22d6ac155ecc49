"""The shipped boards and scans: one file of SQL each, found by itself."""
