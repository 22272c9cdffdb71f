-- What was told when: more of each clock record, and every version of it, so that a question can be answered as it
-- would have been answered then, and so that every verdict and window restated afterwards can be named.

-- Rows from before this migration keep these defaults: told in 1970, held by nobody known.
ALTER TABLE outcomes
    ADD COLUMN IF NOT EXISTS ref Nullable(String),
    ADD COLUMN IF NOT EXISTS warned_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS warned Nullable(Float64),
    ADD COLUMN IF NOT EXISTS held Map(LowCardinality(String), Float64),
    ADD COLUMN IF NOT EXISTS told_at DateTime64(3, 'UTC'),
    ADD COLUMN IF NOT EXISTS cause Nullable(String);

-- Append only: one row a version. The version is part of the key, so that nothing is ever replaced but the same row
-- delivered again. Kept for 90 days by `told_at`, dropped by the week; `services/api/history.py` states the same length.
CREATE TABLE IF NOT EXISTS outcome_history
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
    ref           Nullable(String),
    warned_at     Nullable(DateTime64(3, 'UTC')),
    warned        Nullable(Float64),
    held          Map(LowCardinality(String), Float64),
    told_at       DateTime64(3, 'UTC'),
    cause         Nullable(String),
    ended_at      Nullable(DateTime64(3, 'UTC')) MATERIALIZED if(state = 'breached', breached_at, stopped_at),
    -- Of the clock instance. A number to group a million of them by; where two share one, the key itself decides.
    instance      UInt64 MATERIALIZED cityHash64(clock, case_id, seq)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(told_at)
ORDER BY (clock, case_id, seq, version)
TTL toDateTime(told_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Fed by every insert into `outcomes`. One that fails half-way is repeated by the store, and then reaches both tables.
CREATE MATERIALIZED VIEW IF NOT EXISTS outcome_history_mv TO outcome_history AS
SELECT
    case_id, clock, seq, policy, calendar, state, target_s, elapsed_s, started_at, due_at, stopped_at, breached_at,
    channel, team, agent_id, priority, customer_tier, category, queue, version, withdrawn, ref, warned_at, warned,
    held, told_at, cause
FROM outcomes;
