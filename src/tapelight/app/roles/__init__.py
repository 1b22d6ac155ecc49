"""The roles of `tapelight run --role`: one scanner as several processes, on one machine or many."""
