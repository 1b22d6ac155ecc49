"""Backtests: recorded sessions through the live engine, and what followed each signal."""
