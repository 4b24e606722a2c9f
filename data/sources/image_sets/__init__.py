"""Declarations of public image sets: one file each, with `SOURCE = ImageSource(...)`; nothing else lists them."""
