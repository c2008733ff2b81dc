"""The event store on PostgreSQL: appends, loads, sealing, order and the check of the record."""
