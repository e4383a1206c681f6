"""AMQP 0-9-1 with RabbitMQ's extensions.

Read in this order: `spec` (the protocol as data), `wire` (frames and methods), `handshake`, `session` (one connection),
`receiving` (the hot loop in), `channel` with `topology`, `consuming`, `publishing` and `transactions` (the methods),
`delivery` (the hot loop out), `errors`.
"""
