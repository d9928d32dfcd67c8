-- The API keys. The key itself is stored nowhere: only its SHA-256, from which nobody can make it again.
set local lock_timeout = '10s';
set local search_path = housing, pg_catalog, pg_temp;

create table housing.api_keys (
  -- Names the key in lists, in the log and in the change log; not a secret.
  id text not null constraint api_keys_pkey primary key
    constraint api_key_id_is_8_hex_characters check (id ~ '^[0-9a-f]{8}$'),
  hash bytea not null constraint api_key_hash_is_unique unique
    constraint api_key_hash_is_sha_256 check (octet_length(hash) = 32),
  name text not null
    constraint api_key_name_is_1_to_100_characters check (char_length(name) <= 100 and name ~ '[^[:space:]]'),
  scopes text[] not null constraint api_key_scopes_are_known check (
    cardinality(scopes) > 0 and scopes <@ array['housing:read', 'housing:write', 'housing:admin']),
  created_at timestamptz(3) not null default now(),
  created_by text not null default session_user,
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  -- The day in UTC.
  last_used_on date,
  constraint api_key_lives_a_year_at_most check (
    expires_at > created_at and expires_at - created_at <= interval '366 days')
);

-- Each process keeps the keys in memory and is notified of every change, also of those made by SQL. last_used_on is left
-- out, as it changes nothing about a key.
create function housing.notify_api_keys() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  notify api_keys;
  return null;
end $$;
create trigger notify_api_keys
  after insert or delete or truncate or update of id, hash, name, scopes, expires_at, revoked_at on housing.api_keys
  for each statement execute function housing.notify_api_keys();
