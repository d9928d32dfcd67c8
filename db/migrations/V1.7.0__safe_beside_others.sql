-- What others may do beside this release: older releases that serve the same schema, sessions with another search path,
-- and rows whose ids come from elsewhere. Writes of houses wait for an instant; reads go on.
set local lock_timeout = '10s';
set local search_path = housing, pg_catalog, pg_temp;

-- A release is named by the newest version of its migrations. An older one that starts beside this schema goes on if it
-- is not older than this. Migrations are additive, so that this stays; one that cannot be replaces this function.
create function housing.oldest_release() returns text language sql immutable parallel safe
  set search_path = pg_catalog, pg_temp
  as $$ select '1.7.0' $$;

-- Whoever writes, in whatever session: the functions of the triggers use only Postgres' own functions and operators.
alter function housing.next_version() set search_path = pg_catalog, pg_temp;
alter function housing.log_changes() set search_path = pg_catalog, pg_temp;
alter function housing.continue_versions() set search_path = pg_catalog, pg_temp;
alter function housing.delete_all() set search_path = pg_catalog, pg_temp;
alter function housing.refuse() set search_path = pg_catalog, pg_temp;
alter function housing.notify_housing_types() set search_path = pg_catalog, pg_temp;

-- A row that SQL inserts with an id of its own moves the sequence on; otherwise the next house would get a taken id. The
-- role that inserts need not own the sequence.
create function housing.pass_taken_ids() returns trigger language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
declare
  highest integer := (select max(id) from new_rows);
begin
  if highest > (select last_value from housing.housing_id_seq) then
    perform setval('housing.housing_id_seq', highest);
  end if;
  return null;
end $$;
create trigger pass_taken_ids after insert on housing.housing
  referencing new table as new_rows for each statement execute function housing.pass_taken_ids();

select setval('housing.housing_id_seq', max(id)) from housing.housing
  having max(id) > (select last_value from housing.housing_id_seq);
