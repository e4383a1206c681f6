"""python -m menura"""

from menura.cli import main

main()
