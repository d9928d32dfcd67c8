-- The change log: every version that a house ever had, however it was written. History, and the feed of changes, read it.
-- Writes of houses wait while the rows already there get their first entry, about five seconds per million rows; reads
-- go on.
set local lock_timeout = '10s';

create table housing.changes (
  position bigint generated always as identity constraint changes_pkey primary key,
  transaction xid8 not null default pg_current_xact_id(),
  at timestamptz(3) not null,
  -- Whom the setting sample_api.actor named; null where nobody did.
  by text default nullif(current_setting('sample_api.actor', true), ''),
  operation text not null
    constraint known_operation check (operation in ('created', 'updated', 'deleted', 'restored')),
  housing_id integer not null,
  version integer not null,
  -- The row as it was after the change, or before its deletion; the code of its type, as a type may be deleted later.
  address varchar(50) not null,
  street varchar(50) not null,
  city varchar(50) not null,
  postal_code char(7) not null,
  housing_type char(3) not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  constraint one_change_per_version unique (housing_id, version)
);

create function housing.log_changes() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into housing.changes (at, operation, housing_id, version, address, street, city, postal_code, housing_type, created_at, updated_at)
      select n.updated_at,
        case when n.version > 1 and exists (select from housing.changes c where c.housing_id = n.id)
          then 'restored' else 'created' end,
        n.id, n.version, n.address, n.street, n.city, n.postal_code, t.code, n.created_at, n.updated_at
      from new_rows n join housing.housing_types t on t.id = n.housing_type_id
      order by n.id;
  elsif tg_op = 'UPDATE' then
    insert into housing.changes (at, operation, housing_id, version, address, street, city, postal_code, housing_type, created_at, updated_at)
      select n.updated_at,
        case current_setting('sample_api.restoring', true) when 'on' then 'restored' else 'updated' end,
        n.id, n.version, n.address, n.street, n.city, n.postal_code, t.code, n.created_at, n.updated_at
      from new_rows n join old_rows o using (id) join housing.housing_types t on t.id = n.housing_type_id
      where n.version <> o.version
      order by n.id;
  else
    insert into housing.changes (at, operation, housing_id, version, address, street, city, postal_code, housing_type, created_at, updated_at)
      select greatest(now(), o.updated_at + interval '1 millisecond'),
        'deleted',
        o.id, o.version + 1, o.address, o.street, o.city, o.postal_code, t.code, o.created_at, o.updated_at
      from old_rows o join housing.housing_types t on t.id = o.housing_type_id
      order by o.id;
  end if;
  return null;
end $$;

create trigger log_insert after insert on housing.housing
  referencing new table as new_rows for each statement execute function housing.log_changes();
create trigger log_update after update on housing.housing
  referencing old table as old_rows new table as new_rows for each statement execute function housing.log_changes();
create trigger log_delete after delete on housing.housing
  referencing old table as old_rows for each statement execute function housing.log_changes();

-- A house that comes back under its id goes on where it ended.
create function housing.continue_versions() returns trigger language plpgsql as $$
declare
  last housing.changes;
begin
  select * into last from housing.changes where housing_id = new.id order by version desc limit 1;
  if found then
    new.version := last.version + 1;
    new.created_at := last.created_at;
    new.updated_at := greatest(now(), last.at + interval '1 millisecond');
  end if;
  return new;
end $$;
create trigger continue_versions before insert on housing.housing
  for each row execute function housing.continue_versions();

-- A truncation is a deletion of all.
create function housing.delete_all() returns trigger language plpgsql as $$
begin
  delete from housing.housing;
  return null;
end $$;
create trigger log_truncate before truncate on housing.housing
  for each statement execute function housing.delete_all();

create function housing.refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on %.% is refused: %', tg_op, tg_table_schema, tg_table_name, tg_argv[0]
    using errcode = 'object_not_in_prerequisite_state';
end $$;
create trigger keep_id before update of id on housing.housing
  for each row when (old.id <> new.id) execute function housing.refuse('the id of a house never changes');
create trigger append_only before update or delete on housing.changes
  for each statement execute function housing.refuse('the change log is append-only');

insert into housing.changes (at, operation, housing_id, version, address, street, city, postal_code, housing_type, created_at, updated_at)
  select h.updated_at, 'created', h.id, h.version, h.address, h.street, h.city, h.postal_code, t.code, h.created_at, h.updated_at
  from housing.housing h join housing.housing_types t on t.id = h.housing_type_id
  order by h.id;
