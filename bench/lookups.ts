// GET by id and by postal code, compared with a bare Fastify that asks the same Postgres with a named statement.
import Fastify from 'fastify'
import pg from 'pg'
import { asking, count, postalCode, withHouses } from './houses.ts'
import { compare, isBare, listen } from './pairs.ts'

async function bare(): Promise<void> {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
  const house = `select h.id, h.address, h.street, h.city, h.postal_code, t.code as housing_type, h.version,
    h.created_at, h.updated_at from housing.housing h join housing.housing_types t on t.id = h.housing_type_id`
  const byId = `${house} where h.id = $1`
  const inArea = `${house} where h.postal_code collate "C" = $1 order by h.id limit 100`
  const inAreaVersion1 = `select id as housing_id, address, street, city, postal_code, housing_type_id
    from housing.housing where postal_code collate "C" = $1 order by id limit 100`

  const app = Fastify()
  app.get('/', async () => ({}))
  app.get<{ Params: { id: string } }>('/api/v2/housing/:id', async ({ params: { id } }) => {
    const { rows } = await pool.query({ name: 'byId', text: byId, values: [id] })
    return rows[0]
  })
  app.get<{ Querystring: { postal_code: string } }>('/api/v2/housing', async ({ query: { postal_code } }) => {
    const { rows } = await pool.query({ name: 'inArea', text: inArea, values: [postal_code] })
    return { items: rows, next: null }
  })
  app.get<{ Params: { code: string } }>('/api/v1/housing/:code', async ({ params: { code } }) => {
    const { rows } = await pool.query({ name: 'inAreaVersion1', text: inAreaVersion1, values: [code] })
    return rows
  })
  await listen(app)
}

const lookups = {
  'GET /api/v2/housing/{id}': (random: number) => `/api/v2/housing/${1 + random}`,
  'GET /api/v2/housing?postal_code=…': (random: number) =>
    `/api/v2/housing?postal_code=${encodeURIComponent(postalCode(random % (count / 5)))}`,
  'GET /api/v1/housing/{postal_code}': (random: number) =>
    `/api/v1/housing/${encodeURIComponent(postalCode(random % (count / 5)))}`,
}

if (isBare) await bare()
else
  await withHouses(async (url) => {
    for (const [title, path] of Object.entries(lookups)) await compare(title, import.meta.url, url, asking(path))
  })
