"""MQTT 3.1, 3.1.1 and 5.0: octets to calls of the core, and back.

In reading order: `spec` (tables), `wire` (octets to packets), `handshake` and `session` (a connection), `receiving`
(the hot loop in), `publishing`, `client` (what outlives a connection), `subscribing`, `delivery` (the hot loop out).
`topics` and `message` say how topics and properties become routing keys and properties of the core.
"""
