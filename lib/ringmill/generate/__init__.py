"""A shop that never was: seeded raw orders with planted defects, and the list of what was planted."""

from ringmill.generate.shop import is_written, orders_path, planted_path, write_shop

__all__ = ["is_written", "orders_path", "planted_path", "write_shop"]
