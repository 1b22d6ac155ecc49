"""The shipped strategies, one module each: a file here is a strategy, its name the file's."""
