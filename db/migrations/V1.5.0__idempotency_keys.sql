-- The answers of requests that had an Idempotency-Key, for 24 hours, so that a repetition gets the same and does nothing.
set local lock_timeout = '10s';

create table housing.idempotency_keys (
  key text not null constraint idempotency_keys_pkey primary key,
  -- SHA-256 of the request: its method, path and query, If-Match and body.
  fingerprint bytea not null,
  status smallint not null,
  headers jsonb not null,
  body text not null,
  created_at timestamptz not null default now()
);
create index idempotency_keys_by_age on housing.idempotency_keys (created_at);
