"""`python -m services.cli`: `eventlog` where no script of that name is installed."""

from services.cli.app import main

if __name__ == "__main__":
    main()
