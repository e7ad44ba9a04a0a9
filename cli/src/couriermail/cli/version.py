"""The version of couriermail, for commands that name themselves in mail.

`importlib.metadata` would read it from the installed distribution, but costs a command more than
all of its start-up; a test compares the two.
"""

__all__ = ["VERSION"]

VERSION = "0.1.0"
