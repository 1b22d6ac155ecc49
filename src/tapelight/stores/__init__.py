"""Stores: the journal, hot state, history."""
