"""The journal: every record that entered the engine, in order, in checksummed segments."""
