"""The gateway: REST, the WebSocket stream and the dashboard's files."""
