-- Each process keeps the housing types in memory and listens for their changes, also those made by SQL. Postgres tells
-- of them at the commit, once for each transaction. Writes to the types, not reads, wait for an instant.
set local lock_timeout = '10s';

create function housing.notify_housing_types() returns trigger language plpgsql as $$
begin
  notify housing_types;
  return null;
end $$;

create trigger notify_housing_types after insert or update or delete or truncate on housing.housing_types
  for each statement execute function housing.notify_housing_types();
