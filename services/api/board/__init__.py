"""The live board at `/`: pages, sign-in, the snapshot they show, the stream that carries it."""
