-- People, their health records, their routines, and what happened to them.
-- Every statement on a personal row names its owner: user_id leads every personal key.

create table people (
    user_id        text primary key check (length(user_id) between 1 and 128),
    first_asked_at timestamptz not null,
    last_asked_at  timestamptz not null,
    last_live_at   timestamptz,
    sync_queued_at timestamptz,
    event_seq      bigint not null default 0,
    events_floor   bigint not null default 0
) with (fillfactor = 80);
comment on column people.last_live_at is 'the last whole live read; null: Sahha never answered for this person';
comment on column people.event_seq is 'id of the newest event; raised in the transaction that writes it, so ids follow commit order';
comment on column people.events_floor is 'events up to this id are no longer kept';
create index people_last_asked_at on people (last_asked_at);

create table biomarkers (
    user_id        text not null,
    category       text not null,
    type           text not null,
    grain          text not null,
    start_at       timestamptz not null,
    end_at         timestamptz not null,
    start_offset_s integer not null,
    end_offset_s   integer not null,
    sahha_id       text not null,
    periodicity    text not null,
    aggregation    text not null,
    value          text not null,
    number         double precision,
    unit           text,
    value_type     text,
    repair         text not null,
    fingerprint    bigint not null,
    first_seen_at  timestamptz not null,
    received_at    timestamptz not null,
    primary key (user_id, category, type, grain, start_at)
) with (fillfactor = 80);
comment on column biomarkers.grain is 'periodicity, with intraday and daily as one: daily supersedes intraday of the same start';
comment on column biomarkers.received_at is 'when this value was first received; an unchanged re-read does not move it';
create index biomarkers_by_start on biomarkers (user_id, start_at);

create table scores (
    user_id        text not null,
    type           text not null,
    score_at       timestamptz not null,
    score_offset_s integer not null,
    sahha_id       text not null,
    state          text,
    score          double precision,
    created_at     timestamptz,
    factors        jsonb not null,
    data_sources   text[] not null,
    fingerprint    bigint not null,
    first_seen_at  timestamptz not null,
    received_at    timestamptz not null,
    primary key (user_id, type, score_at)
) with (fillfactor = 80);
create index scores_by_day on scores (user_id, score_at);

create table routines (
    id            uuid primary key,
    user_id       text not null references people,
    local_date    date not null,
    timezone      text not null,
    archetype     text not null,
    preferences   jsonb not null,
    request_hash  bytea not null,
    status        text not null
                  check (status in ('QUEUED', 'FETCHING', 'PLANNING', 'READY', 'FAILED', 'CANCELLED')),
    attempt       integer not null default 0,
    cursor        bigint not null,
    created_at    timestamptz not null,
    ready_at      timestamptz,
    failure       jsonb,
    health_data   jsonb,
    plan          jsonb,
    timing        jsonb,
    supersedes    uuid,
    superseded_by uuid
) with (fillfactor = 70);
comment on column routines.attempt is 'the fence: a write by an attempt that is not the newest changes no row';
comment on column routines.cursor is 'the newest event of the person at the acknowledgement';
create index routines_newest on routines (user_id, created_at desc, id desc);
create index routines_unfinished on routines (created_at) where status in ('QUEUED', 'FETCHING', 'PLANNING');
create unique index routines_current on routines (user_id, local_date) where status = 'READY' and superseded_by is null;

create table idempotency_keys (
    user_id     text not null references people,
    operation   text not null,
    key         text not null,
    fingerprint bytea not null,
    routine_id  uuid not null references routines,
    created_at  timestamptz not null,
    primary key (user_id, operation, key)
);
create index idempotency_keys_created_at on idempotency_keys (created_at);

create table events (
    user_id    text not null references people,
    id         bigint not null,
    kind       text not null check (kind in ('READY', 'FAILED')),
    routine_id uuid not null references routines,
    at         timestamptz not null,
    primary key (user_id, id)
);
create index events_at on events (at);

create table job_runs (
    id           uuid primary key,
    job_id       text not null,
    instance_id  text not null,
    scheduled_at timestamptz not null,
    started_at   timestamptz not null,
    finished_at  timestamptz,
    status       text not null check (status in ('RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT')),
    detail       text,
    unique (job_id, scheduled_at)
);
create index job_runs_newest on job_runs (job_id, started_at desc);
