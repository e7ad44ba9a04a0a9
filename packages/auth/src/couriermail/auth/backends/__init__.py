"""The authentication modules: one Python module per back end, found by `auth.modules`.

Nothing here is imported before an administrator's list of modules names it, so that no
program needs the libraries of a back end that it does not use.
"""

__all__: list[str] = []
