"""STOMP 1.0, 1.1 and 1.2: text frames over the exchanges and queues of the core.

Reading order: `session` (one connection), `receiving` (the hot loop in), `frames`, `handshake`, `destinations`,
`headers` (to properties and back), `publishing`, `subscriptions`, `delivery` (the hot loop out), `transactions`.
"""
