"""Benchmarks: run by hand, each prints ratios of one run. None of them is a test."""
