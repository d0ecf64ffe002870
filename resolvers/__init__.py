"""Thin: authorise, delegate, return the outcome."""
