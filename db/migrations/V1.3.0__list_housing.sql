-- What the list of houses filters and sorts by, without reading the whole table. All end with the id, by which the
-- list breaks ties and pages. Writes wait while each is built, one to two seconds per million rows (housing_by_words:
-- about fifteen); reads go on. For a huge table build them beforehand by hand (create index concurrently).
set local lock_timeout = '10s';

create index if not exists housing_by_city on housing.housing (city collate "C", id);
create index if not exists housing_by_city_in_any_case on housing.housing (lower(city), id);
create index if not exists housing_by_street_prefix on housing.housing (lower(street) collate "C", id);
create index if not exists housing_by_type on housing.housing (housing_type_id, id);
create index if not exists housing_by_updated_at on housing.housing (updated_at, id);
create index if not exists housing_by_words on housing.housing
  using gin (to_tsvector('simple', address || ' ' || street || ' ' || city));
