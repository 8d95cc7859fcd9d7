"""The page for people: plain files without a build step, served under a strict policy."""
