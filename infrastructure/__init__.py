"""What touches the machine: PostgreSQL, settings, clock, logs, keys, signing, and the wiring of it all."""
