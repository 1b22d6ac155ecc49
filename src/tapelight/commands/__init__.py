"""Commands with many options, one file each; `cli` registers them. What is heavy they import late."""
