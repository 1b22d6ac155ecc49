"""The desk: from signals to orders, and nothing that could be sent twice or past a limit."""
