"""Expansions of a store in the forms that search engines read by themselves."""
