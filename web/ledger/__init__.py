"""The public log: checkpoint and tiles (c2sp.org/tlog-tiles); entries for those who may read the audit log."""
