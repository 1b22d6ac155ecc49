"""The questions: SQL over the table, boards and scans."""
