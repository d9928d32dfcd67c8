-- Imports that are being uploaded, or wait to be applied. Unlogged: after a crash of Postgres they are empty, and the
-- client sends its file again. Nothing that exists is locked.
create unlogged table housing.imports (
  id uuid not null default gen_random_uuid() constraint imports_pkey primary key,
  -- Who sent it, and may apply it: the caller that the API names, or ''.
  caller text not null,
  -- Of the file, those that a report on rejected rows repeats.
  columns text[] not null,
  -- When whatever is left of it may be deleted.
  expires_at timestamptz not null
);

-- The rows of a file, about a thousand in each chunk, as a JSON array.
create unlogged table housing.import_chunks (
  import uuid not null constraint chunk_of_import references housing.imports on delete cascade,
  n integer not null,
  rows text not null,
  constraint import_chunks_pkey primary key (import, n)
);
-- They are read once, so compressing them would only take time.
alter table housing.import_chunks alter rows set storage external;
