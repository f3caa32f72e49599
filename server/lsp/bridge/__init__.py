"""``hearth connect``: a language server on standard streams that is really the team's, on another machine.

Editors that only start processes reach the team server through it, and never notice that a connection was lost: it
keeps what the editor has open and says it all again to the next one.
"""
