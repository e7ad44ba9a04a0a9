"""couriermail.table."""

__all__: list[str] = []
