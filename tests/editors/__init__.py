"""The editors' plugins in the real editors."""
