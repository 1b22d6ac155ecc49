"""The composition root: config -> objects -> one TaskGroup per role."""
