"""Sets what both programs would set as a main program, so that pytest runs their tests."""

import client_test
import client_test5

client_test5.setData()
client_test5.topic_prefix = "client_test5/"
for name in ("topics", "wildtopics", "nosubscribe_topics"):
    setattr(client_test, name, getattr(client_test5, name))
for program in (client_test, client_test5):
    program.host, program.port = "127.0.0.1", 1883
