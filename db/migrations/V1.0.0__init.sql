-- The registry: homes, and the types of housing they can be.
-- The schema itself is made by whoever migrates (Flyway, or `npm run migrate`), which needs it for the history table.

create sequence housing.housing_type_id_seq;
create table housing.housing_types (
  id integer primary key default nextval('housing.housing_type_id_seq'),
  code char(3) not null unique,
  description varchar(50) not null
);

create sequence housing.housing_id_seq;
create table housing.housing (
  id integer primary key default nextval('housing.housing_id_seq'),
  address varchar(50) not null,
  street varchar(50) not null,
  city varchar(50) not null,
  postal_code char(7) not null,
  housing_type_id integer not null,
  constraint fk_housing_type foreign key (housing_type_id) references housing.housing_types (id)
);

insert into housing.housing_types (code, description) values
  ('SFD', 'Single Family Housing'),
  ('ASL', 'Assisted Living'),
  ('MFD', 'Multi Family Housing'),
  ('COP', 'Co-Op Housing');
