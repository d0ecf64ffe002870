"""The only place that imports the OpenAI SDK."""
