"""Plugins with one planted fault each, for the kits to find; nothing here is collected by itself."""
