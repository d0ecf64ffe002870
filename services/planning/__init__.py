"""From a week of rows to a verified day."""
