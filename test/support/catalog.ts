import type { ClientBase } from 'pg'

type Client = Pick<ClientBase, 'query'>

/** Everything that Postgres knows about the schema housing, one fact per line; equal schemas give equal lines. */
export async function catalog(client: Client): Promise<string[]> {
  const { rows } = await client.query(`
    with relation as (select * from pg_class where relnamespace = to_regnamespace('housing'))
    select format('%s %s', relkind, relname) as line from relation
    union all
    select format('%s.%s %s %s %s', relname, attname, format_type(atttypid, atttypmod), attnotnull,
      pg_get_expr(adbin, adrelid))
    from relation join pg_attribute on attrelid = relation.oid
      left join pg_attrdef on adrelid = relation.oid and adnum = attnum
    where attnum > 0 and not attisdropped and relkind in ('r', 'v')
    union all
    select format('%s: %s', conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = to_regnamespace('housing')
    union all
    select pg_get_indexdef(oid) from relation where relkind = 'i'
    union all
    select pg_get_triggerdef(pg_trigger.oid) from pg_trigger join relation on tgrelid = relation.oid
    where not tgisinternal
    union all
    select pg_get_functiondef(oid) from pg_proc where pronamespace = to_regnamespace('housing')
    union all
    select format('type %s', typname) from pg_type where typnamespace = to_regnamespace('housing')
    order by 1`)
  return rows.map(({ line }) => line)
}

/** Flyway's history without the columns that differ from run to run: the time and the duration. */
export async function history(client: Client): Promise<object[]> {
  const { rows } = await client.query('select * from housing.flyway_schema_history order by installed_rank')
  return rows.map(({ installed_on: _, execution_time: __, ...row }) => row)
}

/** Creates the schema that the Python version's Flyway left behind, with two houses in it. */
export async function makePredecessor(client: Client, made: { schemaByFlyway: boolean }): Promise<void> {
  await client.query(`
    create schema housing;
    create table housing.flyway_schema_history (
      installed_rank integer not null constraint flyway_schema_history_pk primary key,
      version varchar(50), description varchar(200) not null, type varchar(20) not null,
      script varchar(1000) not null, checksum integer, installed_by varchar(100) not null,
      installed_on timestamp not null default now(), execution_time integer not null, success boolean not null
    );
    create index flyway_schema_history_s_idx on housing.flyway_schema_history (success);
    insert into housing.flyway_schema_history values
      (1, '1.0.0', 'init', 'SQL', 'V1.0.0__init.sql', 336439134, current_user, now(), 17, true);
    create sequence housing.housing_type_id_seq;
    create sequence housing.housing_id_seq;
    create table housing.housing_types (
      id int default nextval('housing.housing_type_id_seq') primary key,
      code char(3) not null unique,
      description varchar(50) not null
    );
    create table housing.housing (
      id int default nextval('housing.housing_id_seq') primary key,
      address varchar(50) not null, street varchar(50) not null, city varchar(50) not null,
      postal_code char(7) not null,
      housing_type_id int not null,
      constraint fk_housing_type foreign key (housing_type_id) references housing.housing_types (id)
    );
    insert into housing.housing_types (code, description) values ('SFD', 'Single Family Housing'),
      ('ASL', 'Assisted Living'), ('MFD', 'Multi Family Housing'), ('COP', 'Co-Op Housing');
    insert into housing.housing (address, street, city, postal_code, housing_type_id) values
      ('735', 'Broughton Street', 'Victoria', 'V8W 3H2', 4), ('1', 'Centennial Square', 'Victoria', 'V8W 1P6', 1)`)
  if (made.schemaByFlyway)
    await client.query(`
      insert into housing.flyway_schema_history values (0, null, '<< Flyway Schema Creation >>', 'SCHEMA',
        '"housing"', null, current_user, now(), 0, true)`)
}
