-- Search and filters find a letter with an accent whether it was sent as one character or as two (Unicode's NFC and
-- NFD), and search finds each part of what punctuation joins: 4-100 by 100, Hwy 16/97 by 97. Postgres' parser would
-- take some of these for one word (a signed number, a path, a host), so punctuation becomes spaces before it sees them.
-- What is stored stays as it was sent, and lists keep their order.
-- The three indexes of V1.3.0 that these replace stay as well: without them an earlier release would answer slowly or
-- not in time. They cost disk space, about 90 MB per million rows.
-- Writes wait while each index is built, two to three seconds per million rows (housing_by_split_words: about fifteen);
-- reads go on. For a huge table build them beforehand by hand (create index concurrently).
set local lock_timeout = '10s';
set local search_path = pg_catalog, pg_temp; -- so that no function of another schema is taken

create index if not exists housing_by_normalized_city on housing.housing (lower(normalize(city, NFC)), id);
create index if not exists housing_by_normalized_street_prefix on housing.housing
  (lower(normalize(street, NFC)) collate "C", id);
create index if not exists housing_by_split_words on housing.housing using gin (to_tsvector('simple', regexp_replace(
  normalize(address || ' ' || street || ' ' || city, NFC) collate "C",
  '[!-/:-@\[-`{-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7\u2000-\u206F\u3000-\u3003]', ' ', 'g')));
