"""`python -m labelaudit`."""

from labelaudit.cli.app import app

if __name__ == "__main__":
    app(prog_name="labelaudit")
