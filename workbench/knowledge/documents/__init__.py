"""Reads the files that the library takes: PDF, DOCX, HTML, Markdown, text, JSON Lines, and zips of these."""
