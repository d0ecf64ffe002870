-- People, their health records, their routines, and what happened to them.
-- Every statement on a personal row names its owner: user_id leads every personal key.

create table people (
    user_id           text primary key check (length(user_id) between 1 and 128),
    first_asked_at    timestamptz,
    last_asked_at     timestamptz,
    last_live_at      timestamptz,
    covered_until     timestamptz,
    device_seen_at    timestamptz,
    offset_s          integer,
    sync_queued_at    timestamptz,
    sync_wanted_at    timestamptz,
    refresh_tick      timestamptz,
    refresh_failed_at timestamptz,
    refresh_failure   text,
    webhook_at        timestamptz,
    news_at           timestamptz,
    event_seq         bigint not null default 0,
    events_floor      bigint not null default 0
) with (fillfactor = 70);
comment on column people.last_asked_at is 'null: known from webhooks or a backfill alone';
comment on column people.last_live_at is 'the last whole live read; null: Sahha never answered for this person';
comment on column people.covered_until is 'what their device had sent by then is in what was read; null: not known';
comment on column people.device_seen_at is 'when their device last sent anything to Sahha, as far as we were told';
comment on column people.offset_s is 'offset from UTC of their newest row: their local days, where no zone is asked for';
comment on column people.sync_wanted_at is 'a sync asked for at this moment is still to be done';
comment on column people.refresh_tick is 'the newest tick of the refresh job that took this person';
comment on column people.refresh_failure is 'why their last refresh failed; null since one succeeded';
comment on column people.webhook_at is 'the newest event that Sahha sent of this person';
comment on column people.news_at is 'when a value last arrived that was new or different';
comment on column people.event_seq is 'id of the newest event; raised in the transaction that writes it, so ids follow commit order';
comment on column people.events_floor is 'events up to this id are no longer kept';
create index people_last_asked_at on people (last_asked_at);
create index people_sync_wanted on people (sync_wanted_at) where sync_wanted_at is not null;

create table biomarkers (
    user_id        text not null,
    start_at       timestamptz not null,
    category       text not null,
    type           text not null,
    grain          text not null,
    day            date not null,
    end_at         timestamptz not null,
    start_offset_s integer not null,
    end_offset_s   integer not null,
    sahha_id       text not null,
    periodicity    text not null,
    aggregation    text not null,
    value          text not null,
    number         double precision,
    unit           text,
    received_unit  text,
    value_type     text,
    repair         text not null,
    extra          text,
    fingerprint    bigint not null,
    stated_at      timestamptz not null,
    first_seen_at  timestamptz not null,
    received_at    timestamptz not null,
    primary key (user_id, start_at, category, type, grain)
) with (fillfactor = 80);
comment on table biomarkers is 'the history: every row ever received, as it was last changed';
comment on column biomarkers.grain is 'periodicity, with intraday and daily as one: daily supersedes intraday of the same start';
comment on column biomarkers.day is 'the local day that the row belongs to, in its own offset';
comment on column biomarkers.stated_at is 'the moment as of which Sahha said this: what was said earlier and arrives later is old';
comment on column biomarkers.received_at is 'when this value was first received; an unchanged re-read does not move it';
create index biomarkers_age on biomarkers using brin (end_at) with (autosummarize = on);

-- No index beside the key: an update of a value stays on its page.
create table latest_biomarkers (
    like biomarkers,
    primary key (user_id, category, type, grain)
) with (fillfactor = 80);
comment on table latest_biomarkers is 'the newest row of each type, a copy of the one in biomarkers';

create table scores (
    user_id        text not null,
    score_at       timestamptz not null,
    type           text not null,
    day            date not null,
    score_offset_s integer not null,
    sahha_id       text not null,
    state          text,
    score          double precision,
    created_at     timestamptz,
    factors        jsonb not null,
    data_sources   text[] not null,
    extra          text,
    fingerprint    bigint not null,
    stated_at      timestamptz not null,
    first_seen_at  timestamptz not null,
    received_at    timestamptz not null,
    primary key (user_id, score_at, type)
) with (fillfactor = 80);
comment on table scores is 'the history: every score ever received, as it was last changed';
create index scores_age on scores using brin (score_at) with (autosummarize = on);

create table latest_scores (
    like scores,
    primary key (user_id, type)
) with (fillfactor = 80);
comment on table latest_scores is 'the newest score of each type, a copy of the one in scores';

create table behaviour_labels (
    user_id        text not null,
    name           text not null,
    periodicity    text not null,
    start_at       timestamptz not null,
    end_at         timestamptz not null,
    start_offset_s integer not null,
    end_offset_s   integer not null,
    sahha_id       text not null,
    value          text not null,
    data_type      text,
    ordinality     integer,
    extra          text,
    fingerprint    bigint not null,
    stated_at      timestamptz not null,
    first_seen_at  timestamptz not null,
    received_at    timestamptz not null,
    primary key (user_id, name, periodicity, start_at)
) with (fillfactor = 80);
create index behaviour_labels_age on behaviour_labels using brin (end_at) with (autosummarize = on);
comment on table behaviour_labels is 'what Sahha calls archetypes: how a person lived over a week or a month';

create table rejected_records (
    user_id       text not null,
    kind          text not null,
    category      text not null,
    type          text not null,
    grain         text not null,
    start_at      timestamptz not null,
    end_at        timestamptz,
    sahha_id      text,
    value         text,
    unit          text,
    reason        text not null,
    fingerprint   bigint not null,
    first_seen_at timestamptz not null,
    received_at   timestamptz not null,
    primary key (user_id, kind, category, type, grain, start_at)
);
comment on table rejected_records is 'values that cannot be true: kept with the reason, out of everything that is read and planned from';
create index rejected_records_received_at on rejected_records (received_at);

create table webhook_inbox (
    id          bigint generated always as identity primary key,
    user_id     text not null,
    event_type  text not null,
    body        bytea not null,
    digest      bytea not null unique,
    received_at timestamptz not null,
    kept_for    text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table webhook_inbox is 'events that were acknowledged: gone once applied';
comment on column webhook_inbox.kept_for is 'why this one was not applied and is kept to be looked at; null: it waits';
create index webhook_inbox_waiting on webhook_inbox (id) where kept_for is null;
create index webhook_inbox_of_person on webhook_inbox (user_id, id);
create index webhook_inbox_kept on webhook_inbox (received_at) where kept_for is not null;

create table webhook_counts (
    minute     timestamptz not null,
    event_type text not null,
    fate       text not null,
    events     bigint not null,
    primary key (minute, event_type, fate)
);
comment on table webhook_counts is 'events by what became of them; names no person';

create table backfills (
    user_id    text primary key,
    newest_day date not null,
    oldest_day date,
    failure    text,
    updated_at timestamptz not null
);
comment on table backfills is 'how far back a person''s past was fetched: all days from newest_day down to oldest_day';

create table routines (
    id            uuid primary key,
    user_id       text not null references people,
    local_date    date not null,
    timezone      text not null,
    archetype     text not null,
    preferences   jsonb not null,
    condition     text not null,
    auto_replan   boolean not null,
    replan_of     uuid,
    replan_trigger text,
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
    superseded_by uuid,
    reused_from   uuid
) with (fillfactor = 70);
comment on column routines.attempt is 'the fence: a write by an attempt that is not the newest changes no row';
comment on column routines.replan_of is 'the routine whose rest of the day this one plans again';
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
    kind       text not null check (kind in ('READY', 'FAILED', 'STAGE', 'BLOCK')),
    routine_id uuid not null references routines,
    at         timestamptz not null,
    payload    jsonb,
    primary key (user_id, id)
);
comment on column events.payload is 'what the routine itself does not tell: the stage, or the block as it was published';
create index events_at on events (at);

create table routine_tasks (
    task_id    text primary key,
    routine_id uuid not null references routines,
    user_id    text not null references people
);
comment on table routine_tasks is 'which routine a task of a READY plan belongs to; the task itself is in the plan';
create index routine_tasks_routine on routine_tasks (routine_id);

create table job_runs (
    id           uuid primary key,
    job_id       text not null,
    instance_id  text not null,
    by_hand      boolean not null,
    scheduled_at timestamptz not null,
    started_at   timestamptz not null,
    finished_at  timestamptz,
    status       text not null check (status in ('RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT')),
    detail       text,
    start_change bigint not null unique,
    end_change   bigint unique,
    unique (job_id, scheduled_at)
);
comment on column job_runs.start_change is 'number of the change that began it; numbers follow the order of commits';
comment on column job_runs.end_change is 'number of the change that ended it; null while it runs';
create index job_runs_running on job_runs (started_at) where status = 'RUNNING';
create index job_runs_newest on job_runs (job_id, started_at desc);

create table job_run_changes (
    newest bigint not null
);
comment on table job_run_changes is 'one row: raised in the transaction of the change, so that numbers follow the order of commits';
insert into job_run_changes (newest) values (0);

create table scheduler_instances (
    instance_id text primary key,
    enabled     boolean not null,
    leads       boolean not null,
    started_at  timestamptz not null,
    seen_at     timestamptz not null
) with (fillfactor = 50);
comment on table scheduler_instances is 'the processes with a scheduler';
comment on column scheduler_instances.enabled is 'may lead; false also for one that has stopped in good order';
comment on column scheduler_instances.started_at is 'on the clock of the database, as seen_at';
comment on column scheduler_instances.seen_at is 'the newest heartbeat';

create table scheduler_jobs (
    job_id       text primary key,
    active_since timestamptz not null,
    paused_at    timestamptz
);
comment on column scheduler_jobs.active_since is 'occurrences from here on count: first led, or resumed';
comment on column scheduler_jobs.paused_at is 'null: not paused';

create table daily_routines (
    user_id      text primary key references people,
    archetype    text not null,
    preferences  jsonb not null,
    timezone     text not null,
    lead_minutes integer not null check (lead_minutes between 5 and 240),
    due_at       timestamptz not null,
    next_at      timestamptz not null,
    ordered_at   timestamptz not null
) with (fillfactor = 70);
comment on table daily_routines is 'standing orders: a routine every morning';
comment on column daily_routines.due_at is 'waking minus the lead, of the next plan';
comment on column daily_routines.next_at is 'due_at and the person''s share of the lead: when the plan is asked for';
create index daily_routines_next on daily_routines (next_at);

create table daily_requests (
    user_id      text not null references people,
    local_date   date not null,
    routine_id   uuid not null references routines deferrable initially deferred,
    requested_at timestamptz not null,
    primary key (user_id, local_date)
);
comment on table daily_requests is 'what standing orders have asked for: once for each person and local day';
create index daily_requests_requested_at on daily_requests (requested_at);

create table model_spend (
    day     date not null,
    user_id text not null references people,
    tokens  bigint not null,
    primary key (day, user_id)
) with (fillfactor = 70);
comment on table model_spend is 'tokens of the model set aside or used by a person in a UTC day';

create table model_spend_total (
    day    date primary key,
    tokens bigint not null
) with (fillfactor = 50);
comment on table model_spend_total is 'the same of everybody; apart, so that an erased person leaves the sum as it was';
