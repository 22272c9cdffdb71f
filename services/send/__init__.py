"""Events over HTTP into a running product. `Door` is for every process that pushes; `play` is `contactpulse send`."""

from services.send.door import MAX_BYTES, MAX_EVENTS, Answer, Door, Rejection

__all__ = ["MAX_BYTES", "MAX_EVENTS", "Answer", "Door", "Rejection"]
