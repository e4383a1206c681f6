"""Metrics for Prometheus, under the names that RabbitMQ's plugin has for them.

`groups` says what is read off which objects and how it comes onto a page, `of_...` are the groups, `pages` puts pages
together and `endpoints` serves them. The text is written by `exposition`.
"""
