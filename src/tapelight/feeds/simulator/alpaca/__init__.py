"""The simulated market behind Alpaca's protocols: data stream and REST, trading and its updates."""
