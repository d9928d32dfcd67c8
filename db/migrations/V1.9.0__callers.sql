-- Who did what. An idempotency key belongs to the caller who sent it. The change log says which role wrote an entry, and
-- its triggers write as their owner, so the role of the API needs no right to write there (db/roles.sql). Writes of houses,
-- reads of their history, and requests with an Idempotency-Key wait for an instant; other reads go on.
set local lock_timeout = '10s';
set local search_path = housing, pg_catalog, pg_temp;

-- Older releases, which may serve beside this one, know one caller: ''. They search by key alone, so the key comes first.
alter table housing.idempotency_keys
  add caller text not null default '',
  drop constraint idempotency_keys_pkey,
  add constraint idempotency_keys_pkey primary key (key, caller);

-- "by" is the caller that the API names; "db_role" is the role that Postgres knows, null in entries older than the column.
alter table housing.changes add db_role text;
alter table housing.changes alter db_role set default session_user;

alter function housing.log_changes() security definer;

-- A role that may execute these functions could forge an entry by a trigger on a table of its own. The triggers of
-- housing.housing need no such right of the role that writes.
revoke execute on function housing.log_changes(), housing.pass_taken_ids() from public;
