"""Shovels: messages of a queue or an exchange, moved to another one, here or on another broker.

`definition.py` reads what was asked for; `worker.py` keeps two connections and tries again when one breaks; `ends.py`
prepares source and destination; `relay.py` moves the messages; `shovels.py` has all shovels of a broker.
"""
