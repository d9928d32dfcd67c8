-- Each house carries its version and the times of its first and its last change, also when it is written by SQL.
-- Takes an exclusive lock for an instant: constant defaults rewrite nothing, however large the table is.
set local lock_timeout = '10s';

alter table housing.housing
  add version integer not null default 1,
  add created_at timestamptz(3) not null default now(),
  add updated_at timestamptz(3) not null default now();

create function housing.next_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.created_at := old.created_at;
  -- now() is when the transaction began: of two that wait for each other, the later may have begun earlier.
  new.updated_at := greatest(now(), old.updated_at + interval '1 millisecond');
  return new;
end $$;

-- A write that changes nothing is no new version.
create trigger next_version before update on housing.housing
  for each row when (old.* is distinct from new.*) execute function housing.next_version();
