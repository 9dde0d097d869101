"""The keys of each command, one dataclass a command (see `w2l.schema`)."""
