"""How many secrets the scanner finds, and how much it takes for one that is none."""
