"""A team server with hundreds of editors: what it adds while many type, and whether its memory stays."""
