"""Wire messages in, bounded series out."""
