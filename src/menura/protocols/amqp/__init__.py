"""AMQP 0-9-1 with RabbitMQ's extensions.

`spec` (the protocol as data), `wire` (frames and methods), `handshake`, `session` (one connection),
`receiving` (the hot loop in),
`channel` with `topology`, `consuming` and `publishing` (the methods), `delivery` (the hot loop out),
`errors`.
"""
