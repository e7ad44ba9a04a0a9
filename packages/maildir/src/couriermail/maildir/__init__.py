"""couriermail.maildir."""

__all__: list[str] = []
