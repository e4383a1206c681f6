"""The domain: exchanges, queues, consumers, access. Synchronous, standard library only, no clock, no socket.

Read in this order: `content` and `run` (what travels), `exchange` and `routing` (where to), `queue`,
`consumer` and
`ledger` (who gets it and what is still owed), `vhost` (the names), `access` and `node` (the whole).
"""
