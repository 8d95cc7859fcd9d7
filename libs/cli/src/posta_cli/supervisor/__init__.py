"""Runs one Posta system: its servers, its sandbox and its services, each a process of its own."""
