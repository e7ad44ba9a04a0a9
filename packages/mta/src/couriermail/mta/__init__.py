"""couriermail.mta."""

__all__: list[str] = []
