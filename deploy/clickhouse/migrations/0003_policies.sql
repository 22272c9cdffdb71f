-- Which policy file each source partition judged by, from which stream time on: what explains a verdict afterwards.
CREATE TABLE IF NOT EXISTS policies
(
    partition     UInt16,
    since         DateTime64(3, 'UTC'),
    text          String CODEC(ZSTD(3)),
    version       UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (partition, since);
