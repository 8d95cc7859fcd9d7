"""The reference pages below `docs/reference/`, made from the code they describe."""
