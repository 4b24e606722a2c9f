"""Where frames come from: recordings by a manifest, and public image sets."""
