"""Answers to the questions that everybody asks, found without a call to any model."""
