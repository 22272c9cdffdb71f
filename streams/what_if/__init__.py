"""What would have been under another policy: stored events, judged twice by the engine of the stream."""
