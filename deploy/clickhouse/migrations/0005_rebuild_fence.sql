-- What a rebuild needs to read events and slices as of one instant, whatever happened to workers before and after it.

-- Up to which version an owner of a source partition took over what earlier owners had told, up to when events were
-- applied and agents' time booked. Watermarks of earlier workers say 0 and 1970.
ALTER TABLE watermarks
    ADD COLUMN IF NOT EXISTS resumed_from UInt64,
    ADD COLUMN IF NOT EXISTS told_at DateTime64(3, 'UTC'),
    ADD COLUMN IF NOT EXISTS settled DateTime64(3, 'UTC');

-- One row an owner that ever told a watermark; some a day at most, so they are kept for ever.
CREATE TABLE IF NOT EXISTS epochs
(
    partition     UInt16,
    epoch         UInt32,
    resumed_from  UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, epoch);

CREATE MATERIALIZED VIEW IF NOT EXISTS epochs_mv TO epochs AS
SELECT DISTINCT partition, toUInt32(bitShiftRight(version, 32)) AS epoch, resumed_from
FROM watermarks
WHERE resumed_from > 0;

-- Each time an event came. `events` keeps an event once, as it came last; whether a slice holds it depends on when it
-- came first. Kept as long as events (`services/store/retention.py`).
CREATE TABLE IF NOT EXISTS event_arrivals
(
    case_id       String CODEC(ZSTD(1)),
    occurred_at   DateTime64(3, 'UTC'),
    event_id      String CODEC(ZSTD(1)),
    partition     UInt16,
    offset        Int64 CODEC(ZSTD(1)),
    received_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (case_id, occurred_at, event_id, partition, offset);

CREATE MATERIALIZED VIEW IF NOT EXISTS event_arrivals_mv TO event_arrivals AS
SELECT case_id, occurred_at, event_id, partition, offset, received_at
FROM events
WHERE offset >= 0;
