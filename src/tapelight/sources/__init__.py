"""What runs beside the feed and tells of its symbols: halts, filings. One file a source."""
