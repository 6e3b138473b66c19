"""Downloads from URLs that others chose. No key enters this folder."""
