"""`tapelight data`: what is kept of past days, where it came from, how it was adjusted."""
