"""`python -m deploy.cli` is `massakoppi`."""

from deploy.cli import main

main()
