"""A client of AMQP 0-9-1, for what the broker itself has to say to brokers."""
