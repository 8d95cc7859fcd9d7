"""The subcommands of `posta`, one per file."""
