"""HTTP/1.1 as one more session of the transport."""
