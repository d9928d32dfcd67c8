-- Many new changes get their positions in steps that each take a moment. Until now each step looked at all of them, so that
-- after an import of 500,000 houses none was done before the deadline of a statement, and the feed stood still. And a
-- transaction that ended between two steps could get the positions of a house in another order than its versions.

-- Gives positions to the changes that became visible since the last time, but to at most so many of them. It is right
-- because
-- - whoever changes a house locks its row until the commit, so version n + 1 begins once version n is visible: it has the
--   higher position in housing.changes, and n is numbered before it or together with it;
-- - one numbering follows the other, and a reader sees the whole of each;
-- - the steps go by the positions in housing.changes, up to the last one that was visible when they began. A house of which
--   they have passed a change that was not visible yet waits until they have ended.
-- On a standby, and in a transaction that only reads, it does nothing.
create or replace function housing.number_changes(at_most integer default 50000) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_custom_plan -- a plan for any snapshot would read the whole change log
  as $$
declare
  state housing.feed_state;
  this_origin text := (select system_identifier from pg_control_system()) || ' ' || 'housing.changes'::regclass::oid;
  in_progress xid8[];
  found_changes bigint;
  last_examined bigint;
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
    if state.seen is not null then -- perhaps they are few: one step, by the index of their transactions
      in_progress := array(select pg_snapshot_xip(state.seen));
      with fresh as materialized (
        select c.position from housing.changes c
        where (c.transaction >= pg_snapshot_xmax(state.seen) and c.transaction < pg_snapshot_xmax(pg_current_snapshot())
            or c.transaction = any (in_progress))
          and not exists (select from housing.feed f where f.change = c.position)
        limit at_most + 1
      ), added as (
        insert into housing.feed (change)
        select position from fresh where (select count(*) from fresh) <= at_most order by position
      )
      select count(*) into found_changes from fresh;
      if found_changes <= at_most then
        if found_changes > 0 then
          update housing.feed_state set seen = state.next_seen, origin = this_origin;
        end if;
        return;
      end if;
      select coalesce(min(c.position + 0), 1) - 1 into state.done from housing.changes c
        where c.transaction >= pg_snapshot_xmax(state.seen) and c.transaction < pg_snapshot_xmax(pg_current_snapshot())
          or c.transaction = any (in_progress);
    end if;
  end if;

  in_progress := array(select pg_snapshot_xip(state.next_seen));
  with examined as materialized (
    select c.position, c.transaction, c.housing_id from housing.changes c
    where c.position > state.done and c.position <= state.until
    order by c.position
    limit at_most
  ), waiting as (
    select p.housing_id from housing.changes p
    where p.position + 0 <= state.done -- + 0: not by their order
      and (p.transaction >= pg_snapshot_xmax(state.next_seen) and p.transaction < pg_snapshot_xmax(pg_current_snapshot())
        or p.transaction = any (in_progress))
      and not exists (select from housing.feed f where f.change = p.position)
  ), added as (
    insert into housing.feed (change)
    select e.position from examined e
    where (state.seen is null or not pg_visible_in_snapshot(e.transaction, state.seen))
      and not exists (select from housing.feed f where f.change = e.position)
      and e.housing_id not in (select housing_id from waiting)
    order by e.position
  )
  select max(position) into last_examined from examined;

  if last_examined < state.until then
    update housing.feed_state set seen = state.seen, origin = this_origin, next_seen = state.next_seen,
      until = state.until, done = last_examined;
  else
    update housing.feed_state set seen = state.next_seen, origin = this_origin, next_seen = null, until = null, done = 0;
  end if;
end $$;
