-- Who did what. An idempotency key belongs to the caller who sent it; the change log says which role wrote an entry, and
-- writes them as its owner, so that the role of the API needs no right to write there (db/roles.sql). Writes of houses,
-- and requests with an Idempotency-Key, wait for an instant; reads go on.
set local lock_timeout = '10s';
set local search_path = housing, pg_catalog, pg_temp;

-- Older releases, which may serve beside this one, know one caller: ''. They look for the key alone, so it comes first.
alter table housing.idempotency_keys
  add caller text not null default '',
  drop constraint idempotency_keys_pkey,
  add constraint idempotency_keys_pkey primary key (key, caller);

-- "by" is what the API says of its caller; this is what Postgres knows. Null in entries that are older than the column.
alter table housing.changes add db_role text;
alter table housing.changes alter db_role set default session_user;

alter function housing.log_changes() security definer;

-- Whoever may execute them could call them by a trigger on a table of their own, and forge an entry. The triggers of
-- housing.housing fire whoever writes.
revoke execute on function housing.log_changes(), housing.pass_taken_ids() from public;
