-- Every metric from slices: a column a measure, so that a question reads only what its formula names; histograms of
-- durations beside their sums; and the same rolled up by hour and day, so that a window costs as much as its edges.

-- `series` is a number to order and merge by: seven texts in the key would cost ten times as much. Of 10,000 tuples in
-- a minute two share a number once in 10^11 minutes. No more than some 10,000 values a dimension: the stream sees to that.
CREATE TABLE IF NOT EXISTS clock_slices
(
    slice         DateTime64(3, 'UTC'),
    clock         LowCardinality(String),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    met           Int64,
    breached      Int64,
    cancelled     Int64,
    stopped       Int64,
    elapsed_ms    Int64,
    partition     UInt16,
    generation    UInt32,
    version       UInt64,
    told_at       DateTime64(3, 'UTC'),
    series        UInt64 DEFAULT cityHash64(tuple(clock, channel, team, agent_id, priority, customer_tier, category, queue))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(slice)
ORDER BY (slice, series, partition, generation);

-- The JSON of a slice has its measures in `counts` and `durations`; both are taken apart when a row comes in and not kept.
CREATE TABLE IF NOT EXISTS contact_slices
(
    slice         DateTime64(3, 'UTC'),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    counts        Map(LowCardinality(String), Int64) EPHEMERAL,
    durations     Map(LowCardinality(String), Map(UInt16, Int64)) EPHEMERAL,
    customers     Array(UInt64),
    partition     UInt16,
    generation    UInt32,
    version       UInt64,
    told_at       DateTime64(3, 'UTC'),
    series        UInt64 DEFAULT cityHash64(tuple(channel, team, agent_id, priority, customer_tier, category, queue)),
    events                      Int64 DEFAULT counts['events'],
    events_late                 Int64 DEFAULT counts['events_late'],
    opened                      Int64 DEFAULT counts['opened'],
    connected                   Int64 DEFAULT counts['connected'],
    connected_in_limit          Int64 DEFAULT counts['connected_in_limit'],
    connect_wait_ms             Int64 DEFAULT counts['connect_wait_ms'],
    abandoned                   Int64 DEFAULT counts['abandoned'],
    abandoned_in_limit          Int64 DEFAULT counts['abandoned_in_limit'],
    abandoned_short             Int64 DEFAULT counts['abandoned_short'],
    abandon_wait_ms             Int64 DEFAULT counts['abandon_wait_ms'],
    first_responses             Int64 DEFAULT counts['first_responses'],
    first_response_ms           Int64 DEFAULT counts['first_response_ms'],
    first_responses_business    Int64 DEFAULT counts['first_responses_business'],
    first_response_business_ms  Int64 DEFAULT counts['first_response_business_ms'],
    resolved                    Int64 DEFAULT counts['resolved'],
    resolution_ms               Int64 DEFAULT counts['resolution_ms'],
    resolved_business           Int64 DEFAULT counts['resolved_business'],
    resolution_business_ms      Int64 DEFAULT counts['resolution_business_ms'],
    reopened                    Int64 DEFAULT counts['reopened'],
    transfers                   Int64 DEFAULT counts['transfers'],
    handled                     Int64 DEFAULT counts['handled'],
    handle_ms                   Int64 DEFAULT counts['handle_ms'],
    resolved_of_known           Int64 DEFAULT counts['resolved_of_known'],
    resolved_reopened           Int64 DEFAULT counts['resolved_reopened'],
    resolved_repeated           Int64 DEFAULT counts['resolved_repeated'],
    resolved_over_3             Int64 DEFAULT counts['resolved_over_3'],
    repeats                     Int64 DEFAULT counts['repeats'],
    channel_switches            Int64 DEFAULT counts['channel_switches'],
    complaints                  Int64 DEFAULT counts['complaints'],
    praises                     Int64 DEFAULT counts['praises'],
    suggestions                 Int64 DEFAULT counts['suggestions'],
    surveys                     Int64 DEFAULT counts['surveys'],
    csat_answers                Int64 DEFAULT counts['csat_answers'],
    csat_sum                    Int64 DEFAULT counts['csat_sum'],
    csat_squares                Int64 DEFAULT counts['csat_squares'],
    csat_passed                 Int64 DEFAULT counts['csat_passed'],
    nps_answers                 Int64 DEFAULT counts['nps_answers'],
    nps_promoters               Int64 DEFAULT counts['nps_promoters'],
    nps_detractors              Int64 DEFAULT counts['nps_detractors'],
    ces_answers                 Int64 DEFAULT counts['ces_answers'],
    ces_sum                     Int64 DEFAULT counts['ces_sum'],
    ces_squares                 Int64 DEFAULT counts['ces_squares'],
    scored                      Int64 DEFAULT counts['scored'],
    scored_negative             Int64 DEFAULT counts['scored_negative'],
    bot_cases                   Int64 DEFAULT counts['bot_cases'],
    bot_contained               Int64 DEFAULT counts['bot_contained'],
    bot_said                    Int64 DEFAULT counts['bot_said'],
    bot_recognized              Int64 DEFAULT counts['bot_recognized'],
    template_said               Int64 DEFAULT counts['template_said'],
    template_used               Int64 DEFAULT counts['template_used'],
    audited_classification      Int64 DEFAULT counts['audited_classification'],
    classified_correctly        Int64 DEFAULT counts['classified_correctly'],
    audited_consistency         Int64 DEFAULT counts['audited_consistency'],
    consistent                  Int64 DEFAULT counts['consistent'],
    agent_available_ms          Int64 DEFAULT counts['agent_available_ms'],
    agent_busy_ms               Int64 DEFAULT counts['agent_busy_ms'],
    agent_wrap_ms               Int64 DEFAULT counts['agent_wrap_ms'],
    clocks_met                  Int64 DEFAULT counts['clocks_met'],
    clocks_ended                Int64 DEFAULT counts['clocks_ended'],
    first_response_met          Int64 DEFAULT counts['first_response_met'],
    first_response_ended        Int64 DEFAULT counts['first_response_ended'],
    complaint_feedback_met      Int64 DEFAULT counts['complaint_feedback_met'],
    complaint_feedback_ended    Int64 DEFAULT counts['complaint_feedback_ended'],
    callback_met                Int64 DEFAULT counts['callback_met'],
    callback_ended              Int64 DEFAULT counts['callback_ended'],
    connect_wait                Map(UInt16, Int64) DEFAULT durations['connect_wait'],
    abandon_wait                Map(UInt16, Int64) DEFAULT durations['abandon_wait'],
    first_response              Map(UInt16, Int64) DEFAULT durations['first_response'],
    first_response_business     Map(UInt16, Int64) DEFAULT durations['first_response_business'],
    resolution                  Map(UInt16, Int64) DEFAULT durations['resolution'],
    resolution_business         Map(UInt16, Int64) DEFAULT durations['resolution_business'],
    handle                      Map(UInt16, Int64) DEFAULT durations['handle']
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(slice)
ORDER BY (slice, series, partition, generation);

-- Rolled up by the store from the tables above (`services/store/tiers.py`): partitions and generations added up. A row
-- is absolute, `version` rises with each roll-up. Read only for hours and days that `tiers` says are level.
CREATE TABLE IF NOT EXISTS clock_hours
(
    slice         DateTime64(3, 'UTC'),
    clock         LowCardinality(String),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    met           Int64,
    breached      Int64,
    cancelled     Int64,
    stopped       Int64,
    elapsed_ms    Int64,
    version       UInt64,
    series        UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(slice)
ORDER BY (slice, series);

CREATE TABLE IF NOT EXISTS clock_days AS clock_hours
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(slice)
ORDER BY (slice, series);

CREATE TABLE IF NOT EXISTS contact_hours
(
    slice         DateTime64(3, 'UTC'),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    customers     Array(UInt64),
    version       UInt64,
    series        UInt64,
    events                      Int64,
    events_late                 Int64,
    opened                      Int64,
    connected                   Int64,
    connected_in_limit          Int64,
    connect_wait_ms             Int64,
    abandoned                   Int64,
    abandoned_in_limit          Int64,
    abandoned_short             Int64,
    abandon_wait_ms             Int64,
    first_responses             Int64,
    first_response_ms           Int64,
    first_responses_business    Int64,
    first_response_business_ms  Int64,
    resolved                    Int64,
    resolution_ms               Int64,
    resolved_business           Int64,
    resolution_business_ms      Int64,
    reopened                    Int64,
    transfers                   Int64,
    handled                     Int64,
    handle_ms                   Int64,
    resolved_of_known           Int64,
    resolved_reopened           Int64,
    resolved_repeated           Int64,
    resolved_over_3             Int64,
    repeats                     Int64,
    channel_switches            Int64,
    complaints                  Int64,
    praises                     Int64,
    suggestions                 Int64,
    surveys                     Int64,
    csat_answers                Int64,
    csat_sum                    Int64,
    csat_squares                Int64,
    csat_passed                 Int64,
    nps_answers                 Int64,
    nps_promoters               Int64,
    nps_detractors              Int64,
    ces_answers                 Int64,
    ces_sum                     Int64,
    ces_squares                 Int64,
    scored                      Int64,
    scored_negative             Int64,
    bot_cases                   Int64,
    bot_contained               Int64,
    bot_said                    Int64,
    bot_recognized              Int64,
    template_said               Int64,
    template_used               Int64,
    audited_classification      Int64,
    classified_correctly        Int64,
    audited_consistency         Int64,
    consistent                  Int64,
    agent_available_ms          Int64,
    agent_busy_ms               Int64,
    agent_wrap_ms               Int64,
    clocks_met                  Int64,
    clocks_ended                Int64,
    first_response_met          Int64,
    first_response_ended        Int64,
    complaint_feedback_met      Int64,
    complaint_feedback_ended    Int64,
    callback_met                Int64,
    callback_ended              Int64,
    connect_wait                Map(UInt16, Int64),
    abandon_wait                Map(UInt16, Int64),
    first_response              Map(UInt16, Int64),
    first_response_business     Map(UInt16, Int64),
    resolution                  Map(UInt16, Int64),
    resolution_business         Map(UInt16, Int64),
    handle                      Map(UInt16, Int64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(slice)
ORDER BY (slice, series);

CREATE TABLE IF NOT EXISTS contact_days AS contact_hours
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(slice)
ORDER BY (slice, series);

-- How often slices of an hour were inserted, by kind (clock, contact), the first and the last time by the server's
-- clock. Written after the rows it tells of.
CREATE TABLE IF NOT EXISTS slice_touches
(
    kind          LowCardinality(String),
    hour          DateTime64(3, 'UTC'),
    touches       UInt64,
    first         SimpleAggregateFunction(min, DateTime64(3, 'UTC')) DEFAULT now64(3, 'UTC'),
    last          SimpleAggregateFunction(max, DateTime64(3, 'UTC')) DEFAULT now64(3, 'UTC')
)
ENGINE = SummingMergeTree(touches)
ORDER BY (kind, hour);

-- Up to how many touches an hour or day is rolled up: level where that is all of them.
CREATE TABLE IF NOT EXISTS tiers
(
    kind          LowCardinality(String),
    tier          LowCardinality(String),
    slice         DateTime64(3, 'UTC'),
    touches       UInt64,
    rolled_at     DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(touches)
ORDER BY (kind, tier, slice);

-- Append only, one row a version, so that a question can be answered as it would have been then. As `outcome_history`.
CREATE TABLE IF NOT EXISTS contact_slice_history
(
    slice         DateTime64(3, 'UTC'),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    customers     Array(UInt64),
    partition     UInt16,
    generation    UInt32,
    version       UInt64,
    told_at       DateTime64(3, 'UTC'),
    series        UInt64,
    events                      Int64,
    events_late                 Int64,
    opened                      Int64,
    connected                   Int64,
    connected_in_limit          Int64,
    connect_wait_ms             Int64,
    abandoned                   Int64,
    abandoned_in_limit          Int64,
    abandoned_short             Int64,
    abandon_wait_ms             Int64,
    first_responses             Int64,
    first_response_ms           Int64,
    first_responses_business    Int64,
    first_response_business_ms  Int64,
    resolved                    Int64,
    resolution_ms               Int64,
    resolved_business           Int64,
    resolution_business_ms      Int64,
    reopened                    Int64,
    transfers                   Int64,
    handled                     Int64,
    handle_ms                   Int64,
    resolved_of_known           Int64,
    resolved_reopened           Int64,
    resolved_repeated           Int64,
    resolved_over_3             Int64,
    repeats                     Int64,
    channel_switches            Int64,
    complaints                  Int64,
    praises                     Int64,
    suggestions                 Int64,
    surveys                     Int64,
    csat_answers                Int64,
    csat_sum                    Int64,
    csat_squares                Int64,
    csat_passed                 Int64,
    nps_answers                 Int64,
    nps_promoters               Int64,
    nps_detractors              Int64,
    ces_answers                 Int64,
    ces_sum                     Int64,
    ces_squares                 Int64,
    scored                      Int64,
    scored_negative             Int64,
    bot_cases                   Int64,
    bot_contained               Int64,
    bot_said                    Int64,
    bot_recognized              Int64,
    template_said               Int64,
    template_used               Int64,
    audited_classification      Int64,
    classified_correctly        Int64,
    audited_consistency         Int64,
    consistent                  Int64,
    agent_available_ms          Int64,
    agent_busy_ms               Int64,
    agent_wrap_ms               Int64,
    clocks_met                  Int64,
    clocks_ended                Int64,
    first_response_met          Int64,
    first_response_ended        Int64,
    complaint_feedback_met      Int64,
    complaint_feedback_ended    Int64,
    callback_met                Int64,
    callback_ended              Int64,
    connect_wait                Map(UInt16, Int64),
    abandon_wait                Map(UInt16, Int64),
    first_response              Map(UInt16, Int64),
    first_response_business     Map(UInt16, Int64),
    resolution                  Map(UInt16, Int64),
    resolution_business         Map(UInt16, Int64),
    handle                      Map(UInt16, Int64)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(told_at)
ORDER BY (slice, series, partition, generation, version)
TTL toDateTime(told_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS contact_slice_history_mv TO contact_slice_history AS
SELECT
    slice, channel, team, agent_id, priority, customer_tier, category, queue,
    customers, partition, generation, version, told_at, series,
    events, events_late, opened, connected, connected_in_limit, connect_wait_ms, abandoned, abandoned_in_limit,
    abandoned_short, abandon_wait_ms, first_responses, first_response_ms, first_responses_business,
    first_response_business_ms, resolved, resolution_ms, resolved_business, resolution_business_ms, reopened,
    transfers, handled, handle_ms, resolved_of_known, resolved_reopened, resolved_repeated, resolved_over_3,
    repeats, channel_switches, complaints, praises, suggestions, surveys, csat_answers, csat_sum, csat_squares,
    csat_passed, nps_answers, nps_promoters, nps_detractors, ces_answers, ces_sum, ces_squares, scored,
    scored_negative, bot_cases, bot_contained, bot_said, bot_recognized, template_said, template_used,
    audited_classification, classified_correctly, audited_consistency, consistent, agent_available_ms,
    agent_busy_ms, agent_wrap_ms, clocks_met, clocks_ended, first_response_met, first_response_ended,
    complaint_feedback_met, complaint_feedback_ended, callback_met, callback_ended,
    connect_wait, abandon_wait, first_response, first_response_business, resolution, resolution_business, handle
FROM contact_slices;

CREATE TABLE IF NOT EXISTS clock_slice_history
(
    slice         DateTime64(3, 'UTC'),
    clock         LowCardinality(String),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    met           Int64,
    breached      Int64,
    cancelled     Int64,
    stopped       Int64,
    elapsed_ms    Int64,
    partition     UInt16,
    generation    UInt32,
    version       UInt64,
    told_at       DateTime64(3, 'UTC'),
    series        UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(told_at)
ORDER BY (slice, series, partition, generation, version)
TTL toDateTime(told_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS clock_slice_history_mv TO clock_slice_history AS
SELECT
    slice, clock, channel, team, agent_id, priority, customer_tier, category, queue,
    met, breached, cancelled, stopped, elapsed_ms, partition, generation, version, told_at, series
FROM clock_slices;

-- Of the clock instance, as in its history: the open ones are found among millions by a number, not by three texts.
ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS instance UInt64 MATERIALIZED cityHash64(clock, case_id, seq);

-- One row a case: what it tells about itself and its customer. The open ones are the backlog.
CREATE TABLE IF NOT EXISTS cases
(
    case_id       String,
    customer_id   Nullable(String),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    opened_at     DateTime64(3, 'UTC'),
    queued_at     Nullable(DateTime64(3, 'UTC')),
    connected_at  Nullable(DateTime64(3, 'UTC')),
    answered_at   Nullable(DateTime64(3, 'UTC')),
    resolved_at   Nullable(DateTime64(3, 'UTC')),
    complained_at Nullable(DateTime64(3, 'UTC')),
    complaint_category LowCardinality(Nullable(String)),
    reopened      UInt8,
    opens         Array(DateTime64(3, 'UTC')),
    ends          Array(DateTime64(3, 'UTC')),
    opened_as     Array(Nullable(String)),
    resolved_as   Array(Nullable(String)),
    repeat_window_s Float64,
    partition     UInt16,
    version       UInt64,
    withdrawn     UInt8,
    told_at       DateTime64(3, 'UTC'),
    open          UInt8 MATERIALIZED length(opens) > length(ends),
    instance      UInt64 MATERIALIZED cityHash64(case_id)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY case_id;

CREATE TABLE IF NOT EXISTS case_history
(
    case_id       String,
    customer_id   Nullable(String),
    channel       LowCardinality(Nullable(String)),
    team          LowCardinality(Nullable(String)),
    agent_id      LowCardinality(Nullable(String)),
    priority      LowCardinality(Nullable(String)),
    customer_tier LowCardinality(Nullable(String)),
    category      LowCardinality(Nullable(String)),
    queue         LowCardinality(Nullable(String)),
    opened_at     DateTime64(3, 'UTC'),
    queued_at     Nullable(DateTime64(3, 'UTC')),
    connected_at  Nullable(DateTime64(3, 'UTC')),
    answered_at   Nullable(DateTime64(3, 'UTC')),
    resolved_at   Nullable(DateTime64(3, 'UTC')),
    complained_at Nullable(DateTime64(3, 'UTC')),
    complaint_category LowCardinality(Nullable(String)),
    reopened      UInt8,
    opens         Array(DateTime64(3, 'UTC')),
    ends          Array(DateTime64(3, 'UTC')),
    opened_as     Array(Nullable(String)),
    resolved_as   Array(Nullable(String)),
    repeat_window_s Float64,
    partition     UInt16,
    version       UInt64,
    withdrawn     UInt8,
    told_at       DateTime64(3, 'UTC'),
    open          UInt8 MATERIALIZED length(opens) > length(ends),
    instance      UInt64 MATERIALIZED cityHash64(case_id)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(told_at)
ORDER BY (case_id, version)
TTL toDateTime(told_at) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS case_history_mv TO case_history AS
SELECT
    case_id, customer_id, channel, team, agent_id, priority, customer_tier, category, queue,
    opened_at, queued_at, connected_at, answered_at, resolved_at, complained_at, complaint_category, reopened, opens,
    ends, opened_as, resolved_as, repeat_window_s, partition, version, withdrawn, told_at
FROM cases;

-- Where an event stood in Kafka: what a rebuild needs to know which events a slice already holds. 65535: from before.
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS partition UInt16 DEFAULT 65535,
    ADD COLUMN IF NOT EXISTS offset Int64 DEFAULT -1;

-- How much came from where, to notice a source or channel that has gone silent. Counts every inserted row: a repeated
-- insert may count twice, which silence does not mind.
CREATE TABLE IF NOT EXISTS sources
(
    minute        DateTime64(3, 'UTC'),
    source        LowCardinality(Nullable(String)),
    channel       LowCardinality(Nullable(String)),
    events        UInt64,
    last          SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = SummingMergeTree(events)
PARTITION BY toMonday(minute)
ORDER BY (minute, source, channel)
TTL toDateTime(minute) + INTERVAL 35 DAY
SETTINGS allow_nullable_key = 1, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sources_mv TO sources AS
SELECT
    toStartOfMinute(received_at, 'UTC') AS minute, source, channel, count() AS events, max(received_at) AS last
FROM events
GROUP BY minute, source, channel;

ALTER TABLE watermarks
    ADD COLUMN IF NOT EXISTS folded Map(LowCardinality(String), UInt64);

-- Every watermark of the last days: at its version all slices up to its position had been told. Dropped by when it came:
-- stream time lies years back while history is imported.
CREATE TABLE IF NOT EXISTS watermark_history
(
    partition     UInt16,
    stream_time   DateTime64(3, 'UTC'),
    position      Int64,
    version       UInt64,
    came_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, version)
TTL toDateTime(came_at) + INTERVAL 3 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS watermark_history_mv TO watermark_history AS
SELECT partition, stream_time, position, version FROM watermarks;
