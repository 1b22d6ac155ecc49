"""Real kills: the trader's process, a venue and a gateway on sockets, and an audit at the end."""
