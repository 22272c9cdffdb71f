-- What the stream tells, kept so that the newest version of each record wins and duplicates can never show.
-- Read with FINAL. Instants are DateTime64(3, 'UTC') always: plain DateTime comes back in the server's zone.

-- Every applied event, for the history of a case.
CREATE TABLE IF NOT EXISTS events
(
    case_id       String,
    occurred_at   DateTime64(3, 'UTC'),
    event_id      String,
    type          LowCardinality(String),
    channel       LowCardinality(Nullable(String)),
    customer_id   Nullable(String),
    team          LowCardinality(Nullable(String)),
    agent_id      Nullable(String),
    source        LowCardinality(Nullable(String)),
    body          String CODEC(ZSTD(1)),
    received_at   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (case_id, occurred_at, event_id);

-- One row a clock instance; `version` rises with each restatement, a withdrawn instance disappears under FINAL.
-- Not partitioned by time: a late event can move started_at over a month's end, and a row must stay in its partition.
CREATE TABLE IF NOT EXISTS outcomes
(
    case_id       String,
    clock         LowCardinality(String),
    seq           UInt32,
    policy        LowCardinality(String),
    calendar      LowCardinality(String),
    state         LowCardinality(String),
    target_s      Float64,
    elapsed_s     Float64,
    started_at    DateTime64(3, 'UTC'),
    due_at        Nullable(DateTime64(3, 'UTC')),
    stopped_at    Nullable(DateTime64(3, 'UTC')),
    breached_at   Nullable(DateTime64(3, 'UTC')),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      Nullable(String),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    version       UInt64,
    withdrawn     UInt8,
    -- The window a clock belongs to: its due instant where it was breached, else its stop; null while it runs.
    ended_at      Nullable(DateTime64(3, 'UTC')) MATERIALIZED if(state = 'breached', breached_at, stopped_at)
)
ENGINE = ReplacingMergeTree(version, withdrawn)
ORDER BY (clock, case_id, seq);

-- How far each source partition is, newest row a partition.
CREATE TABLE IF NOT EXISTS watermarks
(
    partition     UInt16,
    stream_time   DateTime64(3, 'UTC'),
    position      Int64,
    open_cases    UInt64,
    version       UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY partition;
