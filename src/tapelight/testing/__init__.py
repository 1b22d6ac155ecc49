"""What holds components to their contracts, and the tapes to do it with."""
