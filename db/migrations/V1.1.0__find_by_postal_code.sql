-- A lookup by postal code, or by its first three characters, reads just the rows it answers, in the order of their
-- ids; the list can be sorted by it. By code point ("C"), so that the order is the same on every server.
-- Writes wait while the index is built, about a second per million rows; reads go on. For a huge table build it
-- beforehand by hand (create index concurrently), and this does nothing.
set local lock_timeout = '10s';

create index if not exists housing_by_postal_code on housing.housing (postal_code collate "C", id);
