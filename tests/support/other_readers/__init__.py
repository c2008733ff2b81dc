"""Programs that read our log with other makers' packages: each proves what lies in a folder, or says why it can't."""
