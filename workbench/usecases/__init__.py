"""What a researcher can do, with no idea who is asking."""
