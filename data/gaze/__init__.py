"""Eye-tracker files: formats, parsers, alignment with screen and video, checks."""
