"""The live dashboard: panels that are plain rich renderables, and a Textual app around them."""
