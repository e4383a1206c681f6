"""What the broker says of itself: lines of text or JSON, each an event; floods of them summed up."""
