-- The numbering of the feed finds new changes by the index of their transactions, however little Postgres knows about the
-- change log: until the first ANALYZE after many changes it read the whole index of positions too, each time.
-- Gives positions to the changes that became visible since the last time, but to at most so many of them. It is right
-- because
-- - whoever changes a house locks its row until the commit, so version n + 1 begins once version n is visible: it has the
--   higher position in housing.changes, and n is numbered before it or together with it;
-- - one numbering follows the other, and a reader sees the whole of each.
-- On a standby, and in a transaction that only reads, it does nothing.
create or replace function housing.number_changes(at_most integer default 50000) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_custom_plan -- a plan for any snapshot would read the whole change log
  as $$
declare
  state housing.feed_state;
  this_origin text := (select system_identifier from pg_control_system()) || ' ' || 'housing.changes'::regclass::oid;
  in_progress xid8[];
  numbered bigint;
  last_numbered bigint;
begin
  if current_setting('transaction_read_only')::boolean then return; end if;
  select * into state from housing.feed_state;
  if state.origin = this_origin and state.next_seen is null and state.seen::text = pg_current_snapshot()::text then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('housing.number_changes', 0));
  select * into state from housing.feed_state; -- as whoever held the lock before has left it
  if not found then
    insert into housing.feed_state default values returning * into state;
  end if;
  if state.origin is distinct from this_origin then -- at first, and once the database is restored, steps begin again too
    state.seen := null;
    state.next_seen := null;
  end if;
  if state.next_seen is null then
    select pg_current_snapshot(), coalesce(max(position), 0), 0 into state.next_seen, state.until, state.done
      from housing.changes;
  end if;
  in_progress := array(select pg_snapshot_xip(state.seen));
  with fresh as materialized (
    select c.position from housing.changes c
    where c.position + 0 > state.done and c.position + 0 <= state.until -- + 0: not by the index
      and (state.seen is null
        or c.transaction >= pg_snapshot_xmax(state.seen) and c.transaction < pg_snapshot_xmax(pg_current_snapshot())
        or c.transaction = any (in_progress))
      and not exists (select from housing.feed f where f.change = c.position)
    order by c.position
    limit at_most
  ), added as (
    insert into housing.feed (change) select position from fresh order by position returning change
  )
  select count(*), max(change) into numbered, last_numbered from added;

  if numbered = at_most then
    update housing.feed_state
      set seen = state.seen, origin = this_origin, next_seen = state.next_seen, until = state.until, done = last_numbered;
  elsif numbered > 0 or state.done > 0 or state.seen is null then
    update housing.feed_state set seen = state.next_seen, origin = this_origin, next_seen = null, until = null, done = 0;
  end if;
end $$;
