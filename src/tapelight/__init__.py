"""Tapelight: a self-hosted, real-time market scanner."""
