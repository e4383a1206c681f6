"""The management side: the HTTP API of RabbitMQ's management plugin, metrics, and the web pages.

`http/` speaks HTTP on the broker's own transport, `application.py` finds out who asks and which handler answers,
`api/` has the handlers by topic, `views/` says how each thing looks in JSON.
"""
