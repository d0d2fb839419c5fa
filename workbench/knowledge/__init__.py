"""The library: reading documents, keeping their passages, and finding those that answer a question."""
