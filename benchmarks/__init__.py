"""Menura beside the brokers and stores it is compared with, on one machine in one run: `make bench`."""
