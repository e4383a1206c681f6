"""The only sockets: listeners, and one transport that drives the sessions of every protocol."""
