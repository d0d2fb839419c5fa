"""Cases on disk, and the work that runs on them."""
