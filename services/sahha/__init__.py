"""The only place that knows Sahha's names and units."""
