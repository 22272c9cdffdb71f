"""The engine: (state, event, time) -> (state, outcomes). Pure: no Kafka, no asyncio, no wall clock.

Faust workers, `contactpulse replay`, tests and benchmarks all call the same code:

    facts.py     an event as the engine keeps it
    calendar.py  open time between instants
    policies.py  which clocks run for a case, compiled from the policy file
    case.py      what the engine knows of a case and its clocks
    rules.py     how one fact changes a case: the clock rules of the contract
    slices.py    one-minute sums
    engine.py    all cases of a partition: order, duplicates, corrections, deadlines
    snapshot.py  the engine's state as packed rows, and back
"""
