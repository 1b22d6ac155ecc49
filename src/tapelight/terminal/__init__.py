"""The market in a terminal: boards, tape, a symbol, health, over the gateway's WebSocket."""
