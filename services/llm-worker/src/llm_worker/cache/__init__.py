"""Answers to questions that others have asked in the same words."""
