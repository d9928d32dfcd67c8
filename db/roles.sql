-- The two roles of the registry. registry_owner migrates, and owns everything in the schema housing. registry_app serves,
-- and may do only what is listed below. It can neither write the change log nor set the versions and times of houses.
--
-- Run it in the registry's database before the first migration, as a superuser, or as the owner of the database if that
-- may create roles; and after the migrations of each release, as the same or as registry_owner:
--   psql -v ON_ERROR_STOP=1 -f db/roles.sql postgres://…
-- After the first time, give both roles a way to log in: \password registry_owner, \password registry_app. Whatever is in
-- the schema and belongs to another role becomes registry_owner's.
--
-- There are no default privileges: registry_app cannot use a new table until the table is listed here and this has run
-- again.
begin;
set local search_path = pg_catalog, pg_temp; -- so that no function of another schema runs with the rights of a superuser
set local lock_timeout = '10s'; -- a table that changes hands waits for its readers and writers

do $$
declare
  thing text;
  granted record;
begin
  if to_regrole('registry_owner') is null then create role registry_owner login; end if;
  if to_regrole('registry_app') is null then create role registry_app login; end if;
  -- Only a superuser can give things to a role without being a member of it.
  if not pg_has_role('registry_owner', 'usage') then execute format('grant registry_owner to %I', current_user); end if;

  -- The first migration creates the schema.
  if not has_database_privilege('registry_owner', current_database(), 'create') then
    execute format('grant create on database %I to registry_owner', current_database());
  end if;
  if to_regnamespace('housing') is null then return; end if;

  for thing in
    select 'schema housing' from pg_namespace where nspname = 'housing' and nspowner <> 'registry_owner'::regrole
    union all
    select format('table %s', oid::regclass) from pg_class -- that is: table, view or sequence
    where relnamespace = 'housing'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and relowner <> 'registry_owner'::regrole
      and oid not in ( -- the sequence of a column follows its table
        select objid from pg_depend where classid = 'pg_class'::regclass and deptype in ('a', 'i') and refobjsubid > 0)
    union all
    select format('routine %s', oid::regprocedure) from pg_proc
    where pronamespace = 'housing'::regnamespace and proowner <> 'registry_owner'::regrole
  loop
    execute format('alter %s owner to registry_owner', thing);
  end loop;

  grant usage on schema housing to registry_app;
  revoke all on all tables in schema housing from registry_app; -- what an earlier release needed
  revoke all on all sequences in schema housing from registry_app;
  for granted in
    select * from (values
      ('housing.flyway_schema_history', 'select'),
      ('housing.housing_types', 'select, insert, update, delete'),
      ('housing.housing', 'select, delete,
        insert (id, address, street, city, postal_code, housing_type_id),
        update (address, street, city, postal_code, housing_type_id)'),
      ('housing.changes', 'select'),
      ('housing.feed', 'select'),
      ('housing.idempotency_keys', 'select, insert, update, delete'), -- update: it locks rows
      ('housing.api_keys', 'select, update (last_used_on)'),
      ('housing.imports', 'select, insert, update (expires_at), delete'),
      ('housing.import_chunks', 'select, insert, delete'),
      ('sequence housing.housing_id_seq', 'usage'),
      ('sequence housing.housing_type_id_seq', 'usage')
    ) as list (thing, privileges)
    where to_regclass(replace(list.thing, 'sequence ', '')) is not null
  loop
    execute format('grant %s on %s to registry_app', granted.privileges, granted.thing);
  end loop;
end $$;

commit;
