"""The words of the system: events, batches, sessions, signals. Knows nothing but errors."""
