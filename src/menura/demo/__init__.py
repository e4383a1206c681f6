"""`menura demo`: the traffic of a small shop, so that a newcomer sees a broker at work.

The shop sells by the web, takes payments, packs parcels and sends mails over AMQP; shelves tell their stock over MQTT,
where a screen shows what was shipped; a dashboard watches payments over STOMP. Some payments cannot be processed and
become dead letters, and the mailer is too slow at times, so that its queue grows and is drained again.

`topology.py` has what is declared; `station.py` an AMQP client of the shop, with `shop.py` for who works there;
`shelves.py` and `dashboard.py` the other protocols; `running.py` all of them together; `screen.py` what is shown.
"""
