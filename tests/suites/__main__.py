"""`python -m tests.suites`: see run.py."""

from tests.suites.run import main

main()
